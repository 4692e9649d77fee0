// SPDX-License-Identifier: Apache-2.0
#include "flow/in_process/lane.hpp"

#include <algorithm>
#include <array>

#include "core/try.hpp"
#include "device/stage_scope.hpp"
#include "flow/io/queued_frame.hpp"

namespace faceflow::internal::flow {

result<std::unique_ptr<lane>> lane::create(device_resources& resources, const std::string& label,
                                           const pass_shape& shape, std::function<void(const std::string&)> warn) {
    device& d = resources.stages.owner();
    FACEFLOW_ASSIGN(auto s, d.make_stream(label));
    FACEFLOW_ASSIGN(auto space, workspace::create(*s, resources.stages.models(), shape));
    FACEFLOW_ASSIGN(auto reader,
                    result_reader::create(d, shape.results_bytes(), resources.stages.chosen().tuning.pinned));
    auto l = std::unique_ptr<lane>(new lane(resources, std::move(s), std::move(space), std::move(warn)));
    l->reader_ = std::make_unique<result_reader>(std::move(reader));
    return l;
}

lane::~lane() {
    wait_until_idle(*stream_);
}

void lane::process(std::span<item> items) {
    while (!items.empty())
        items = items.subspan(process_some(items));
}

void lane::forget() {
    for (auto& [source, tracked] : tracked_)
        tracked.schedule.failed();
}

// Processes the first of `items`, as many as the pool has room for; the rest wait for these without holding memory.
// Returns how many items were given their faces or an error.
std::size_t lane::process_some(std::span<item> items) {
    std::vector<entry> entries;
    std::size_t taken = 0;
    for (item& i : items) {
        auto begun = begin(i, entries.empty() ? when_full::wait : when_full::fail);
        if (!begun && begun.error().code == errc::out_of_memory && !entries.empty()) break;
        ++taken;
        if (begun) {
            entries.push_back(std::move(*begun));
            continue;
        }
        if (auto tracked = tracked_.find(i.from->id.source); tracked != tracked_.end())
            tracked->second.schedule.failed();
        i.faces = tl::unexpected(std::move(begun.error()));
    }
    if (!entries.empty()) run(entries);
    return taken;
}

void lane::run(std::vector<entry>& entries) {
    auto done = hold_frames(entries).and_then([&] { return run_stages(entries); });
    take_outcomes(entries, done);
    frames_.clear();  // ends their leases
}

void lane::take_outcomes(const std::vector<entry>& entries, const result<vision::pass_results>& done) {
    const float min_presence = stages_.chosen().min_presence;
    vision::face_table next;
    for (const entry& e : entries) {
        const std::int32_t at = next.frames++;
        const std::int32_t room = space_.shape().records();
        if (done) {
            e.of->faces = faces_of(*done, at, room, *e.of->from, min_presence);
        } else {
            e.of->faces = tl::unexpected(done.error());
        }
        if (e.tracked == nullptr) continue;
        if (!e.of->faces) {
            e.tracked->schedule.failed();
            continue;
        }
        next.of[at] = e.tracked->set();
        e.tracked->schedule.done(followed_state_of(*done, at, room, min_presence));
    }
    if (done) stages_.propagate(*stream_, space_.results(next.frames), next);
}

result<lane::entry> lane::begin(item& i, when_full how) {
    tracked_faces* tracked = nullptr;
    if (follows(*i.from)) {
        FACEFLOW_ASSIGN(tracked, tracked_of(i.from->id.source));
    }
    const stage_scope uploading({stage::capture, i.from->id});
    FACEFLOW_ASSIGN(auto uploaded, resources_.frames.upload(*stream_, *i.from, stage::capture, how));
    const auto decided = tracked != nullptr ? tracked->schedule.next(i.from->pts_ns) : detect_decision{};
    return entry{&i, std::move(uploaded), tracked, decided};
}

// Looks each frame up by id, as the region stage would in a process of its own.
result<void> lane::hold_frames(std::vector<entry>& entries) {
    frames_.clear();
    for (const entry& e : entries) {
        FACEFLOW_ASSIGN(auto found,
                        resources_.frames.find(*stream_, *e.of->from, stage::region, when_full::wait, &e.on_device));
        frames_.push_back(std::move(found));
    }
    return {};
}

result<vision::pass_results> lane::run_stages(const std::vector<entry>& entries) {
    const tag waiting{stage::landmark, frames_.front().id};
    const auto frames = static_cast<std::int32_t>(entries.size());
    const vision::pass_results results = space_.results(frames);
    const std::int32_t capacity = resources_.capacity.faces(frames);
    // A download into pageable memory waits for the stream, which is not allowed in a capture.
    const bool read_within = stages_.chosen().tuning.pinned || stages_.owner().shares_host_memory();
    const auto count = [&](auto which) {
        return static_cast<std::int32_t>(std::count_if(entries.begin(), entries.end(), which));
    };
    const std::int32_t detected = count([](const entry& e) { return e.how.detect; });
    const std::int32_t merged = count([](const entry& e) { return e.how.detect && e.tracked != nullptr; });
    const auto enqueue_all = [&]() -> result<void> {
        detect(entries);
        mesh(0, capacity);
        return read_within ? reader_->add(*stream_, results, capacity, waiting) : result<void>{};
    };
    auto added = enqueue_pass({detected, merged, capacity}, enqueue_all);
    if (added && !read_within) added = reader_->add(*stream_, results, capacity, waiting);
    if (!added) return tl::unexpected(std::move(added.error()));
    return read_the_rest(
        reader_->wait(*stream_, results, waiting), capacity, resources_.capacity,
        [&](std::int32_t first, std::int32_t end) { mesh(first, end); },
        [&](std::int32_t faces) { return reader_->read(*stream_, results, faces, waiting); });
}

namespace {

// Limit for consecutive captures broken by calls of other threads; that many are no accident.
constexpr int max_broken_captures = 32;

// Errors unrelated to graphs: the stream had already failed, another thread's call broke the capture, memory is short
// at the moment, or the device is lost.
bool is_temporary(errc code) {
    return code == errc::interrupted || code == errc::out_of_memory || code == errc::device_lost;
}

}  // namespace

// Launches the pass as one graph if the device has graphs. The first pass of each size is captured first.
result<void> lane::enqueue_pass(const pass_size& size, const stream::task& work) {
    if (!stages_.chosen().tuning.graphs) return work();
    const auto [at, fresh] = graphs_.try_emplace(size);
    if (fresh) {
        auto captured = stream_->capture(work);
        if (captured) {
            at->second = std::move(*captured);
            broken_captures_ = 0;
        } else if (is_temporary(captured.error().code) && ++broken_captures_ < max_broken_captures) {
            graphs_.erase(at);
            return work();
        } else if (!stages_.owner().computes_on_host()) {
            warn_("passes run kernel by kernel, and slower, without a CUDA graph: " + captured.error().message);
        }
    }
    if (at->second == nullptr) return work();
    stream_->launch(*at->second, work);
    return {};
}

// Runs the detector on the frames that need it, as one batch, and adds what it finds to the faces that are followed.
void lane::detect(const std::vector<entry>& entries) {
    std::vector<frame> looked_at;
    looked_at.reserve(entries.size());
    vision::face_table found, to_merge, followed;
    std::array<bool, vision::max_pass_frames> begins{};
    faces_ = {};
    for (const entry& e : entries) {
        vision::detection_set* faces = e.tracked != nullptr ? e.tracked->set() : nullptr;
        if (e.how.detect) {
            vision::detection_set* const detected = space_.faces(found.frames);
            found.of[found.frames++] = detected;
            looked_at.push_back(e.on_device);
            if (faces != nullptr) {
                begins[static_cast<std::size_t>(to_merge.frames)] = e.how.begins;
                to_merge.of[to_merge.frames++] = detected;
                followed.of[followed.frames++] = faces;
            } else {
                faces = detected;
            }
        }
        faces_.of[faces_.frames++] = faces;
    }
    stages_.detect(*stream_, space_.detector(), looked_at, found);
    stages_.merge(*stream_, to_merge, followed, begins);
}

void lane::mesh(std::int32_t first, std::int32_t end) {
    stages_.crop_and_mesh(*stream_, space_.mesh(), {frames_, faces_, space_.results(faces_.frames)}, {first, end});
}

result<tracked_faces*> lane::tracked_of(std::uint32_t source) {
    auto at = tracked_.find(source);
    if (at == tracked_.end()) {
        FACEFLOW_ASSIGN(auto made, tracked_faces::create(stages_.owner(), space_.shape(), stages_.chosen()));
        at = tracked_.emplace(source, std::move(made)).first;
    }
    return &at->second;
}

}  // namespace faceflow::internal::flow
