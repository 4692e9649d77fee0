// SPDX-License-Identifier: Apache-2.0
// copied and cached: stage processes that receive their input in messages. Both ends, capture and sink, run in the
// application's process: frames and crops take as many hops as through a chain of five processes, except that the crops
// of `copied` pass through this process.
#include <fmt/format.h>

#include <cstring>

#include "core/try.hpp"
#include "flow/multi_process/process_pipeline.hpp"
#include "frame/layout.hpp"
#include "media/to_bgr.hpp"
#include "vision/mesh.hpp"

namespace faceflow::internal::flow {
namespace {

class message_pipeline final : public process_pipeline {
public:
    message_pipeline(pipeline_setup setup, message_traits how) : process_pipeline(std::move(setup)), how_(how) {}

    ~message_pipeline() override { stop(); }

    result<void> open() {
        FACEFLOW_ASSIGN(detect_, start(how_.region_apart ? stage_role::detect : stage_role::detect_region));
        if (how_.region_apart) {
            FACEFLOW_ASSIGN(region_, start(stage_role::region));
        }
        FACEFLOW_ASSIGN(landmark_, start(stage_role::landmark));

        std::vector<stage_pipeline<process_job>::step> steps;
        if (how_.region_apart) {
            steps.emplace_back([this](process_job& j) { detect(j); });
            steps.emplace_back([this](process_job& j) { region(j); });
        } else {
            steps.emplace_back([this](process_job& j) { detect_and_region(j); });
        }
        steps.emplace_back([this](process_job& j) { landmark(j); });
        return run([this](process_job& j) { return begin(j); }, std::move(steps));
    }

private:
    result<std::shared_ptr<stage_process>> start(stage_role role) {
        FACEFLOW_ASSIGN(auto page, ipc::control_page::create(1));
        ipc::control_page& own = *pages_.emplace_back(std::make_unique<ipc::control_page>(std::move(page)));
        return start_stage(role, 0, own, {own.descriptor()}, nullptr);
    }

    // Converts the picture to BGR, or sends its planes unchanged, copying them only if rows have padding.
    result<void> begin(process_job& j) {
        const image& picture = j.from.picture;
        if (how_.to_bgr) {
            const image bgr = media::bgr_converter::target_of(picture);
            j.base.picture = facts_of(bgr);
            j.pixels.resize(native_bytes(bgr.format, bgr.width, bgr.height));
            FACEFLOW_TRY(to_bgr_.convert(picture, j.pixels));
            j.planes = {std::span<const std::byte>(j.pixels)};
            return {};
        }
        for (int i = 0; i < plane_count(picture.format); ++i) {
            const auto extent = extent_of(picture.format, picture.width, picture.height, i);
            const plane& p = picture.planes[static_cast<std::size_t>(i)];
            if (p.stride != static_cast<std::ptrdiff_t>(extent.row_bytes)) {
                j.pixels.resize(native_bytes(picture.format, picture.width, picture.height));
                pack(picture, j.pixels.data());
                j.planes = {std::span<const std::byte>(j.pixels)};
                return {};
            }
            j.planes.push_back(std::as_bytes(std::span(p.data, extent.bytes())));
        }
        return {};
    }

    void detect(process_job& j) {
        decide(j);
        if (!j.failed) return;
        if (!j.how.detect) {
            j.found = j.source->state.faces;
            return;
        }
        const auto r = call_stage(*detect_, j, j.base, {}, j.planes);
        if (!r) return;
        take_faces(j, *r);
        if (!j.how.begins) merge(j);
    }

    // Adds the faces that were found to those that are followed.
    void merge(process_job& j) const {
        std::vector<std::byte> found(shape().set_bytes()), followed(shape().set_bytes());
        put(j.found, found);
        put(j.source->state.faces, followed);
        auto& faces = *reinterpret_cast<vision::detection_set*>(followed.data());
        vision::merge_faces(vision::serial_block{}, merge_options_of(chosen()),
                            reinterpret_cast<vision::detection_set*>(found.data()), &faces);
        j.found.assign(faces.items(), faces.items() + faces.count);
    }
    void put(const std::vector<vision::detection>& faces, std::vector<std::byte>& into) const {
        auto& set = *reinterpret_cast<vision::detection_set*>(into.data());
        set.count = std::min(static_cast<std::int32_t>(faces.size()), chosen().max_faces);
        set.overflow = 0;
        std::copy_n(faces.begin(), set.count, set.items());
    }

    void region(process_job& j) {
        if (j.found.empty()) return;
        stage_call call = j.base;
        call.detections = static_cast<std::uint32_t>(j.found.size());
        auto r = call_stage(*region_, j, call, j.found, j.planes);
        if (r) take_crops(j, *r, r->reply.detections * sizeof(vision::detection));
    }

    void detect_and_region(process_job& j) {
        decide(j);
        if (!j.failed) return;
        stage_call call = j.base;
        call.detect = j.how.detect ? 1 : 0;
        call.begins = j.how.begins ? 1 : 0;
        if (!j.how.begins) {
            j.found = j.source->state.faces;
            if (j.found.empty() && !j.how.detect) return;
            call.detections = static_cast<std::uint32_t>(j.found.size());
        }
        auto r = call_stage(*detect_, j, call, j.found, j.planes);
        if (!r) return;
        take_faces(j, *r);
        take_crops(j, *r, j.found.size() * sizeof(vision::detection));
    }

    void landmark(process_job& j) {
        if (!j.failed) return;
        std::optional<stage_response> r(std::in_place);
        if (!j.found.empty()) {
            stage_call call = j.base;
            call.detections = call.crops = static_cast<std::uint32_t>(j.found.size());
            const std::array<std::span<const std::byte>, 1> crops{
                std::span<const std::byte>(j.crops).subspan(j.crops_at)};
            r = call_stage(*landmark_, j, call, j.found, crops);
        }
        if (r) finish(j, *r);
    }

    // Checks the lengths that the peer states before reading anything.
    static void take_faces(process_job& j, const stage_response& r) {
        const std::size_t bytes = r.reply.detections * sizeof(vision::detection);
        if (r.payload.size() < bytes) {
            j.failed = fail(errc::corrupt, fmt::format("the detect stage promised {} faces in {} bytes",
                                                       r.reply.detections, r.payload.size()));
            return;
        }
        j.found.resize(r.reply.detections);
        if (bytes > 0) std::memcpy(j.found.data(), r.payload.data(), bytes);
    }

    void take_crops(process_job& j, stage_response& r, std::size_t at) {
        if (!j.failed) return;
        if (r.payload.size() != at + shape().crops.bytes(static_cast<std::int32_t>(j.found.size()))) {
            j.failed = fail(errc::corrupt, fmt::format("the region stage sent {} bytes for {} faces", r.payload.size(),
                                                       j.found.size()));
            return;
        }
        j.crops = std::move(r.payload);
        j.crops_at = at;
    }

    void finish(process_job& j, stage_response& r) {
        const auto count = static_cast<std::int32_t>(j.found.size());
        r.payload.resize(std::max(r.payload.size(), vision::pass_results::bytes(1, 0)));
        const vision::pass_results results{reinterpret_cast<vision::result_header*>(r.payload.data()), 1};
        if (count == 0) *results.headers = {};
        if (r.payload.size() != vision::pass_results::bytes(1, count) || results.headers->filled != count) {
            j.failed = fail(errc::corrupt,
                            fmt::format("the landmark stage sent {} bytes for {} faces", r.payload.size(), count));
            return;
        }
        results.headers->first = 0;
        j.faces = faces_of(results, 0, count, j.from, chosen().min_presence);
        if (!j.faces) j.failed = tl::unexpected(j.faces.error());
        if (!j.failed || !follows(j.from)) return;
        j.state = followed_state_of(results, 0, count, chosen().min_presence);
        std::vector<std::byte> next(shape().set_bytes());
        auto& set = *reinterpret_cast<vision::detection_set*>(next.data());
        vision::propagate_faces(vision::serial_block{}, results, 0, chosen().min_presence, &set);
        j.source->state.faces.assign(set.items(), set.items() + set.count);
    }

    const message_traits how_;
    media::bgr_converter to_bgr_;
    std::vector<std::unique_ptr<ipc::control_page>> pages_;
    std::shared_ptr<stage_process> detect_, region_, landmark_;
};

}  // namespace

result<std::unique_ptr<process_pipeline>> make_message_pipeline(pipeline_setup setup, message_traits how) {
    auto made = std::make_unique<message_pipeline>(std::move(setup), how);
    FACEFLOW_TRY(made->open());
    return made;
}

}  // namespace faceflow::internal::flow
