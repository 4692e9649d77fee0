// SPDX-License-Identifier: Apache-2.0
// Stages that receive their input in messages and send their output back. One class per kind of stage; `copied` and
// `cached` differ only in options (cache, batch, pinned).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/try.hpp"
#include "flow/multi_process/stage_executor.hpp"
#include "flow/multi_process/transfer_buffer_layout.hpp"
#include "flow/stages/device_resources.hpp"
#include "frame/layout.hpp"
#include "vision/mesh.hpp"

namespace faceflow::internal::flow {
namespace {

// Device memory with a host mirror: the faces of a frame, and as many crops as one transfer carries.
class transfer_buffer {
public:
    static result<transfer_buffer> create(stage_context& context) {
        transfer_buffer p;
        p.layout_ = transfer_buffer_layout::of(context.shape(), context.chosen().tuning.batch);
        p.shape_ = context.shape().crops;
        FACEFLOW_ASSIGN(p.memory_,
                        mirrored_memory::create(context.owner(), p.layout_.bytes(), context.chosen().tuning.pinned));
        return p;
    }

    std::int32_t at_once() const { return layout_.at_once; }
    vision::face_table table() const {
        return vision::one_frame_table(reinterpret_cast<vision::detection_set*>(memory_.on_device()));
    }
    std::size_t crop_bytes() const { return layout_.crop_bytes; }
    vision::crop_target crops() const {
        return crops_at(memory_.on_device() + layout_.crops_at, layout_.at_once, shape_);
    }
    std::byte* host_crops() const { return memory_.on_host() + layout_.crops_at; }
    vision::detection_set& host_set() const { return *reinterpret_cast<vision::detection_set*>(memory_.on_host()); }

    void put(std::span<const vision::detection> faces) const {
        vision::detection_set& set = host_set();
        set.count = static_cast<std::int32_t>(faces.size());
        set.overflow = 0;
        std::copy(faces.begin(), faces.end(), set.items());
    }

    // all_*: the faces and the first `n` crops in one transfer; the others move crops alone.
    result<void> all_up(stream& s, std::int32_t n, const tag& t) const {
        return memory_.up(s, 0, layout_.crop_at(n), t);
    }
    result<void> all_down(stream& s, std::int32_t n, const tag& t) const {
        return memory_.down(s, 0, layout_.crop_at(n), t);
    }
    result<void> crops_up(stream& s, std::int32_t n, const tag& t) const {
        return memory_.up(s, layout_.crops_at, static_cast<std::size_t>(n) * crop_bytes(), t);
    }
    result<void> crops_down(stream& s, std::int32_t from, std::int32_t to, const tag& t) const {
        return memory_.down(s, layout_.crop_at(from), static_cast<std::size_t>(to - from) * crop_bytes(), t);
    }
    result<void> faces_up(stream& s, const tag& t) const { return memory_.up(s, 0, set_bytes(), t); }
    result<void> faces_down(stream& s, const tag& t) const { return memory_.down(s, 0, layout_.crops_at, t); }

private:
    std::size_t set_bytes() const { return vision::detection_set::bytes(static_cast<std::size_t>(host_set().count)); }

    mirrored_memory memory_;
    transfer_buffer_layout layout_;
    crop_shape shape_;
};

std::span<const std::byte> bytes_of(const vision::detection_set& set) {
    return std::as_bytes(std::span(set.items(), static_cast<std::size_t>(set.count)));
}

class message_executor : public stage_executor {
public:
    result<void> map(const slab_facts&, unique_fd) override {
        return fail(errc::unsupported, "this stage is sent its frames; it maps no memory");
    }
    void unmap(std::uint32_t) override {}
};

// The stages detect, region, or both in one process with the frame cache, as `role` says.
class picture_executor final : public message_executor {
public:
    picture_executor(stage_context& context, transfer_buffer p, std::optional<detector_memory> d)
        : context_(context),
          buffer_(std::move(p)),
          detector_(std::move(d)),
          frames_(context.owner(), store_options(context.chosen())) {}

    result<std::span<std::byte>> expect(const stage_call& call, std::size_t bytes) override {
        FACEFLOW_ASSIGN(const auto picture, picture_of(call.picture));
        const std::size_t wanted = native_bytes(picture.format, picture.width, picture.height);
        if (bytes != wanted) {
            return fail(errc::corrupt, fmt::format("received {} bytes for a {}x{} picture in {}, which has {}", bytes,
                                                   picture.width, picture.height, name(picture.format), wanted));
        }
        if (uploads_again()) {
            twice_.resize(bytes);
            arrived_ = packed_at(picture, twice_.data());
            return std::span(twice_);
        }
        FACEFLOW_ASSIGN(arriving_, frames_.expect(picture, tag_of(call, stage::capture)));
        return arriving_->bytes();
    }

    result<stage_answer> perform(const stage_call& call, std::span<const vision::detection> faces) override {
        const bool detects = context_.asked().role != stage_role::region && call.detect != 0;
        const tag t = tag_of(call, detects ? stage::detect : stage::region);
        auto f = upload(t);
        if (!f) return tl::unexpected(std::move(f.error()));
        FACEFLOW_TRY(find_faces(call, faces, *f, detects, t));
        if (!crops_here()) {
            FACEFLOW_TRY(buffer_.faces_down(context_.work_stream(), t));
            FACEFLOW_TRY(finished(t));
            return answer(call, {});
        }
        // If both stages share the process, the region stage looks the frame up in the cache by id.
        if (context_.asked().role == stage_role::detect_region) {
            f = find_again(std::move(*f));
            if (!f) return tl::unexpected(std::move(f.error()));
        }
        FACEFLOW_ASSIGN(auto cropped, context_.chosen().tuning.batch ? crop_in_batches(call, *f, !detects)
                                                                     : crop_one_by_one(call, *f));
        return answer(call, cropped);
    }

    frame_cache_counts cache() const override { return frames_.counts(); }

private:
    // The faces of the frame on the device: those that are followed, those that are detected, or both.
    result<void> find_faces(const stage_call& call, std::span<const vision::detection> followed, const frame& f,
                            bool detects, const tag& t) {
        stream& s = context_.work_stream();
        const stage_set& stages = context_.stages();
        const bool merges = crops_here() && detects && call.begins == 0;
        if (!detects || merges) {
            buffer_.put(followed);
            FACEFLOW_TRY(buffer_.faces_up(s, t));
        }
        if (!detects) return {};
        if (!merges) {
            stages.detect(s, *detector_, {&f, 1}, buffer_.table());
            return {};
        }
        if (!found_) {
            FACEFLOW_ASSIGN(found_, device_buffer::allocate(context_.owner().pool(), context_.shape().set_bytes()));
        }
        const auto found = vision::one_frame_table(found_->as<vision::detection_set>());
        stages.detect(s, *detector_, {&f, 1}, found);
        const bool begins = false;
        stages.merge(s, found, buffer_.table(), {&begins, 1});
        return {};
    }

    bool crops_here() const { return context_.asked().role != stage_role::detect; }

    static tag tag_of(const stage_call& call, stage at) { return {at, {call.source, call.sequence}}; }

    // The wait for memory must be shorter than the watchdog's timeout.
    static frame_store_options store_options(const options& o) {
        auto s = device_resources::store_options(o, 4);
        s.packing_threads = 1;  // data received from a socket is already in staging memory
        s.patience =
            std::min(s.patience, std::chrono::nanoseconds(static_cast<std::int64_t>(o.stage_timeout / 2 * 1e9)));
        return s;
    }

    // With the cache off, the frame is uploaded for each of the two stages, as in the analysed system: its bytes are
    // kept.
    bool uploads_again() const {
        return context_.asked().role == stage_role::detect_region && !context_.chosen().tuning.cache &&
               !context_.owner().shares_host_memory();
    }

    result<frame> upload(const tag& t) {
        if (uploads_again()) return frames_.upload(context_.work_stream(), kept(t.frame), t.at, when_full::wait);
        if (!arriving_) return fail(errc::corrupt, "a frame without pixels");
        return frames_.upload(context_.work_stream(), std::exchange(arriving_, std::nullopt).value(), t.frame, t.at,
                              when_full::wait);
    }

    result<frame> find_again(frame f) {
        if (uploads_again()) return frames_.upload(context_.work_stream(), kept(f.id), stage::region, when_full::wait);
        const image& p = f.picture;
        if (auto cached = frames_.find(context_.work_stream(), {f.id, p.width, p.height, p.format}))
            return std::move(*cached);
        return f;  // expired from the cache since; the caller still holds it
    }

    host_frame kept(const frame_id& id) const {
        host_frame h;
        h.id = id;
        h.picture = arrived_;
        return h;
    }

    // Completes the host's view: pageable downloads have already waited for themselves.
    result<void> finished(const tag& t) {
        if (context_.owner().shares_host_memory() || context_.chosen().tuning.pinned) return context_.wait(t);
        return context_.work_stream().take_error();
    }

    // Downloads the first batch with the faces, sized by the face count of the previous frame.
    result<std::span<const std::byte>> crop_in_batches(const stage_call& call, const frame& f, bool known) {
        stream& s = context_.work_stream();
        const tag t = tag_of(call, stage::region);
        const frame_pass pass{{&f, 1}, buffer_.table()};
        const std::int32_t at_once = buffer_.at_once();
        context_.stages().region(s, pass, 0, buffer_.crops(), at_once);
        const std::int32_t guess = std::min(known ? buffer_.host_set().count : guess_, at_once);
        FACEFLOW_TRY(buffer_.all_down(s, guess, t));
        FACEFLOW_TRY(finished(t));
        const std::int32_t count = buffer_.host_set().count;
        if (const std::int32_t here = std::min(count, at_once); here > guess) {
            FACEFLOW_TRY(buffer_.crops_down(s, guess, here, t));
            FACEFLOW_TRY(finished(t));
        }
        guess_ = std::max(count, 1);
        const auto crops_in = [&](std::int32_t n) { return static_cast<std::size_t>(n) * buffer_.crop_bytes(); };
        if (count <= at_once) return std::span<const std::byte>(buffer_.host_crops(), crops_in(count));

        out_.resize(crops_in(count));
        std::memcpy(out_.data(), buffer_.host_crops(), crops_in(at_once));
        for (std::int32_t first = at_once; first < count; first += at_once) {
            const std::int32_t n = std::min(at_once, count - first);
            context_.stages().region(s, pass, first, buffer_.crops(), at_once);
            FACEFLOW_TRY(buffer_.crops_down(s, 0, n, t));
            FACEFLOW_TRY(finished(t));
            std::memcpy(out_.data() + crops_in(first), buffer_.host_crops(), crops_in(n));
            context_.beat();
        }
        return std::span<const std::byte>(out_);
    }

    result<std::span<const std::byte>> crop_one_by_one(const stage_call& call, const frame& f) {
        stream& s = context_.work_stream();
        const tag t = tag_of(call, stage::region);
        if (context_.asked().role == stage_role::detect_region && call.detect != 0) {
            FACEFLOW_TRY(buffer_.faces_down(s, t));
            FACEFLOW_TRY(finished(t));
        }
        const std::int32_t count = buffer_.host_set().count;
        out_.resize(static_cast<std::size_t>(count) * buffer_.crop_bytes());
        for (std::int32_t i = 0; i < count; ++i) {
            context_.stages().region(s, {{&f, 1}, buffer_.table()}, i, buffer_.crops(), 1);
            FACEFLOW_TRY(buffer_.crops_down(s, 0, 1, t));
            FACEFLOW_TRY(finished(t));
            std::memcpy(out_.data() + static_cast<std::size_t>(i) * buffer_.crop_bytes(), buffer_.host_crops(),
                        buffer_.crop_bytes());
            context_.beat();
        }
        return std::span<const std::byte>(out_);
    }

    stage_answer answer(const stage_call& call, std::span<const std::byte> crops) const {
        stage_answer a;
        const vision::detection_set& set = buffer_.host_set();
        a.reply.serial = call.serial;
        a.reply.detections = static_cast<std::uint32_t>(set.count);
        a.reply.crops = static_cast<std::uint32_t>(crops.size() / buffer_.crop_bytes());
        a.payload = {bytes_of(set), crops};
        return a;
    }

    stage_context& context_;
    transfer_buffer buffer_;
    std::optional<detector_memory> detector_;
    std::optional<device_buffer> found_;  // what was detected, before it is merged
    frame_store frames_;
    std::optional<arrival> arriving_;
    std::vector<std::byte> twice_;
    image arrived_;
    std::int32_t guess_ = 1;
    std::vector<std::byte> out_;
};

// The stage landmark: faces and crops in, records out.
class crop_executor final : public message_executor {
public:
    crop_executor(stage_context& context, transfer_buffer p, mesh_memory m, mirrored_memory results)
        : context_(context),
          buffer_(std::move(p)),
          mesh_(std::move(m)),
          results_(std::move(results)) {}

    // If all crops fit one transfer, they are received directly into the buffer that is uploaded.
    result<std::span<std::byte>> expect(const stage_call& call, std::size_t bytes) override {
        if (call.crops != call.detections || bytes != call.crops * buffer_.crop_bytes())
            return fail(errc::corrupt, fmt::format("{} bytes of crops for {} faces", bytes, call.detections));
        direct_ = static_cast<std::int32_t>(call.crops) <= buffer_.at_once();
        if (direct_) return std::span(buffer_.host_crops(), bytes);
        crops_.resize(bytes);
        return std::span(crops_);
    }

    result<stage_answer> perform(const stage_call& call, std::span<const vision::detection> faces) override {
        buffer_.put(faces);
        const auto count = static_cast<std::int32_t>(faces.size());
        const std::int32_t at_once = buffer_.at_once();
        frame f{{call.source, call.sequence}, {}, nullptr, nullptr};
        if (auto picture = picture_of(call.picture)) f.picture = *picture;
        for (std::int32_t first = 0; first < count; first += at_once) {
            FACEFLOW_TRY(mesh(f, first, std::min(at_once, count - first), count));
            context_.beat();
        }
        FACEFLOW_TRY(bring_down(f, count));
        // If records were downloaded one by one, the header from the first download counts only that one.
        reinterpret_cast<vision::result_header*>(results_.on_host())->filled = count;
        stage_answer a;
        a.reply.serial = call.serial;
        a.reply.records = call.detections;
        a.payload = {std::span<const std::byte>(results_.on_host(), vision::pass_results::bytes(1, count))};
        return a;
    }

private:
    vision::pass_results results() const { return {reinterpret_cast<vision::result_header*>(results_.on_device()), 1}; }

    result<void> mesh(const frame& f, std::int32_t first, std::int32_t n, std::int32_t count) {
        stream& s = context_.work_stream();
        const tag t{stage::landmark, f.id};
        if (!direct_)
            std::memcpy(buffer_.host_crops(), crops_.data() + static_cast<std::size_t>(first) * buffer_.crop_bytes(),
                        static_cast<std::size_t>(n) * buffer_.crop_bytes());
        auto moved = first == 0 ? buffer_.all_up(s, n, t) : buffer_.crops_up(s, n, t);
        if (!moved) return moved;
        context_.stages().landmark(s, mesh_, {{&f, 1}, buffer_.table(), results()}, first, n);
        if (context_.chosen().tuning.batch) {
            // The next batch is copied into the host memory from which this one is uploaded: wait first.
            return first + n < count ? context_.wait(t) : result<void>{};
        }
        // Process one face at a time, and download its record at once.
        const std::size_t from = first == 0 ? 0 : vision::pass_results::bytes(1, first);
        FACEFLOW_TRY(results_.down(s, from, vision::pass_results::bytes(1, first + 1) - from, t));
        return context_.chosen().tuning.pinned || context_.owner().shares_host_memory() ? context_.wait(t)
                                                                                        : s.take_error();
    }

    result<void> bring_down(const frame& f, std::int32_t count) {
        if (!context_.chosen().tuning.batch || count == 0) return {};
        const tag t{stage::landmark, f.id};
        FACEFLOW_TRY(results_.down(context_.work_stream(), 0, vision::pass_results::bytes(1, count), t));
        return context_.wait(t);
    }

    stage_context& context_;
    transfer_buffer buffer_;
    mesh_memory mesh_;
    mirrored_memory results_;
    std::vector<std::byte> crops_;
    bool direct_ = false;
};

result<std::unique_ptr<stage_executor>> make_crop_executor(stage_context& context, transfer_buffer p) {
    FACEFLOW_ASSIGN(auto mesh,
                    mesh_memory::create(context.work_stream(), context.models(), p.at_once(), p.crops().data));
    FACEFLOW_ASSIGN(auto results, mirrored_memory::create(context.owner(), context.shape().results_bytes(),
                                                          context.chosen().tuning.pinned));
    return std::make_unique<crop_executor>(context, std::move(p), std::move(mesh), std::move(results));
}

}  // namespace

result<std::unique_ptr<stage_executor>> make_message_executor(stage_context& context) {
    FACEFLOW_ASSIGN(auto p, transfer_buffer::create(context));
    if (context.asked().role == stage_role::landmark) return make_crop_executor(context, std::move(p));
    std::optional<detector_memory> detector;
    if (context.asked().role != stage_role::region) {
        FACEFLOW_ASSIGN(detector, detector_memory::create(context.work_stream(), context.models(), 1));
    }
    return std::make_unique<picture_executor>(context, std::move(p), std::move(detector));
}

}  // namespace faceflow::internal::flow
