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
    const host_frame* failed = nullptr;
    while (taken < items.size() && failed == nullptr) {
        item& i = items[taken];
        auto begun =
            begin(i, static_cast<std::int32_t>(entries.size()), entries.empty() ? when_full::wait : when_full::fail);
        if (!begun && begun.error().code == errc::out_of_memory && !entries.empty()) break;
        ++taken;
        if (begun) {
            entries.push_back(*begun);
        } else {
            failed = i.from;
            i.faces = tl::unexpected(std::move(begun.error()));
        }
    }
    run(entries);
    if (failed != nullptr) {
        if (auto tracked = tracked_.find(failed->id.source); tracked != tracked_.end())
            tracked->second.schedule.failed();
    }
    return taken;
}

result<lane::entry> lane::begin(item& i, std::int32_t number, when_full how) {
    tracked_faces* tracked = nullptr;
    if (follows(*i.from)) {
        FACEFLOW_ASSIGN(tracked, tracked_of(i.from->id.source));
    }
    const stage_scope uploading({stage::capture, i.from->id});
    FACEFLOW_ASSIGN(auto uploaded, resources_.frames.upload(*stream_, *i.from, stage::capture, how));
    return entry{&i, std::move(uploaded), tracked, space_.faces(number)};
}

void lane::run(std::span<entry> entries) {
    while (!entries.empty()) {
        const round now = next_round(entries);
        entries = entries.subspan(now.size());
        take_outcomes(now, run_round(now, entries));
        frames_.clear();  // ends their leases
    }
}

// As many entries as there are before one that follows from one of them.
lane::round lane::next_round(std::span<entry> entries) {
    std::size_t size = 1;
    const auto follows_another = [&](const entry& e) {
        const auto before = entries.first(size);
        return e.tracked != nullptr &&
               std::any_of(before.begin(), before.end(), [&](const entry& b) { return b.tracked == e.tracked; });
    };
    while (size < entries.size() && !follows_another(entries[size]))
        ++size;
    return entries.first(size);
}

void lane::take_outcomes(round now, const result<vision::pass_results>& done) {
    const float min_presence = stages_.chosen().min_presence;
    vision::face_table next;
    for (const entry& e : now) {
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

// Looks each frame up by id, as the region stage would in a process of its own.
result<void> lane::hold_frames(round now) {
    frames_.clear();
    for (const entry& e : now) {
        FACEFLOW_ASSIGN(auto found,
                        resources_.frames.find(*stream_, *e.of->from, stage::region, when_full::wait, &e.on_device));
        frames_.push_back(std::move(found));
    }
    return {};
}

// Meshes one round. The detector looks at the later entries of the pass, too: as one batch they keep more threads busy.
result<vision::pass_results> lane::run_round(round now, std::span<entry> later) {
    for (entry& e : now) {
        if (e.tracked != nullptr) e.how = e.tracked->schedule.next(e.of->from->pts_ns);
    }
    FACEFLOW_TRY(hold_frames(now));
    const tag waiting{stage::landmark, frames_.front().id};
    const auto frames = static_cast<std::int32_t>(now.size());
    const vision::pass_results results = space_.results(frames);
    const std::int32_t capacity = resources_.capacity.faces(frames);
    // A download into pageable memory waits for the stream, which is not allowed in a capture.
    const bool read_within = stages_.chosen().tuning.pinned || stages_.owner().shares_host_memory();
    const auto enqueue_all = [&]() -> result<void> {
        detect(now, later);
        merge(now);
        mesh(0, capacity);
        return read_within ? reader_->add(*stream_, results, capacity, waiting) : result<void>{};
    };
    auto added = enqueue_pass(size_of(now, later, capacity), enqueue_all);
    if (added && !read_within) added = reader_->add(*stream_, results, capacity, waiting);
    if (!added) return tl::unexpected(std::move(added.error()));
    auto done = read_the_rest(
        reader_->wait(*stream_, results, waiting), capacity, resources_.capacity,
        [&](std::int32_t first, std::int32_t end) { mesh(first, end); },
        [&](std::int32_t faces) { return reader_->read(*stream_, results, faces, waiting); });
    if (done) {
        for (entry& e : later)
            e.detected = true;
    }
    return done;
}

lane::pass_size lane::size_of(std::span<const entry> now, std::span<const entry> later, std::int32_t capacity) {
    const auto count = [](std::span<const entry> of, auto which) {
        return static_cast<std::int32_t>(std::count_if(of.begin(), of.end(), which));
    };
    const std::int32_t detected = count(now, [](const entry& e) { return e.how.detect && !e.detected; }) +
                                  count(later, [](const entry& e) { return !e.detected; });
    const std::int32_t merged = count(now, [](const entry& e) { return e.how.detect && e.tracked != nullptr; });
    return {detected, merged, capacity};
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
    const options& chosen = stages_.chosen();
    if (!chosen.tuning.graphs || chosen.tiles > 0) return work();  // tiles are as many as frames are large
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

// Runs the detector on the frames that need it, as one batch.
void lane::detect(std::span<const entry> now, std::span<const entry> later) {
    std::vector<frame> looked_at;
    looked_at.reserve(now.size() + later.size());
    vision::face_table found;
    const auto look_at = [&](const entry& e) {
        found.of[found.frames++] = e.found;
        looked_at.push_back(e.on_device);
    };
    for (const entry& e : now) {
        if (e.how.detect && !e.detected) look_at(e);
    }
    for (const entry& e : later) {
        if (!e.detected) look_at(e);
    }
    stages_.detect(*stream_, space_.detector(), looked_at, found);
}

// Adds what was detected to the faces that are followed.
void lane::merge(std::span<const entry> now) {
    vision::face_table to_merge, followed;
    std::array<bool, vision::max_pass_frames> begins{};
    faces_ = {};
    for (const entry& e : now) {
        vision::detection_set* const faces = e.tracked != nullptr ? e.tracked->set() : e.found;
        if (e.tracked != nullptr && e.how.detect) {
            begins[static_cast<std::size_t>(to_merge.frames)] = e.how.begins;
            to_merge.of[to_merge.frames++] = e.found;
            followed.of[followed.frames++] = faces;
        }
        faces_.of[faces_.frames++] = faces;
    }
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
