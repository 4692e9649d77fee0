// SPDX-License-Identifier: Apache-2.0
#include "flow/stage_threads.hpp"

#include <algorithm>

namespace faceflow::flow {

stage_threads::stage_threads(const device_context& d, const flow_parts& parts, std::size_t number, input_queue& from,
                             reorder_buffer& to)
    : line_(d, parts, 3 * places, mesh_batch),
      device_number_(number),
      detect_every_(static_cast<std::size_t>(parts.chosen.detect_every)),
      inputs_(from),
      reorder_(to) {}

result<std::unique_ptr<stage_threads>> stage_threads::create(const device_context& d, const flow_parts& parts,
                                                             std::size_t number, input_queue& from, reorder_buffer& to,
                                                             thread_failed failed) {
    std::unique_ptr<stage_threads> s(new stage_threads(d, parts, number, from, to));
    if (auto r = s->prepare(); !r) return tl::unexpected(std::move(r.error()));
    if (auto r = s->start(std::move(failed)); !r) return tl::unexpected(std::move(r.error()));
    return s;
}

result<void> stage_threads::prepare() {
    device& on = line_.work.owner();
    const options& o = line_.work.chosen();
    const pass_shape shape{1, o.max_faces, mesh_batch, crop_form(o).format};
    for (auto& [into, label] : {std::pair{&capture_stream_, "capture"},
                                {&detect_stream_, "detect"},
                                {&region_stream_, "region"},
                                {&landmark_stream_, "landmark"}}) {
        auto made = on.make_stream(label);
        if (!made) return tl::unexpected(std::move(made.error()));
        *into = std::move(*made);
    }
    for (std::size_t i = 0; i < places; ++i) {
        auto space = workspace::create(*detect_stream_, *landmark_stream_, line_.work.models(), shape);
        if (!space) return tl::unexpected(std::move(space.error()));
        auto detected = on.make_event(), cropped = on.make_event();
        if (!detected) return tl::unexpected(std::move(detected.error()));
        if (!cropped) return tl::unexpected(std::move(cropped.error()));
        all_places_.push_back(std::make_unique<work_place>(std::move(*space)));
        all_places_.back()->detected = std::move(*detected);
        all_places_.back()->cropped = std::move(*cropped);
        free_places_.push(all_places_.back().get());
    }
    auto reader = result_reader::create(on, shape.results_bytes(), o.tuning.pinned);
    if (!reader) return tl::unexpected(std::move(reader.error()));
    reader_ = std::make_unique<result_reader>(std::move(*reader));
    return {};
}

result<void> stage_threads::start(thread_failed failed) {
    return pipeline_.start(
        [this](auto& to) { capture(to); },
        {[this](job& j) { detect(j); }, [this](job& j) { region(j); }, [this](job& j) { landmark(j); }},
        std::move(failed));
}

stage_threads::~stage_threads() {
    free_places_.close();
    pipeline_.join();
    line_.frames.close();
    for (stream* on : {capture_stream_.get(), detect_stream_.get(), region_stream_.get(), landmark_stream_.get()}) {
        if (on != nullptr) settle(*on);
    }
    all_places_.clear();  // and with them the models, before their streams
}

void stage_threads::capture(stage_pipeline<job>::edge& to) {
    for (auto taken = inputs_.take({device_number_}); !taken.empty(); taken = inputs_.take({device_number_})) {
        frame_group* group = &taken.front();
        auto outcomes = std::make_shared<group_outcomes>(
            group_outcomes{group->line, group->index, group->device, group->frames.size(), {}});
        for (std::size_t i = 0; i < group->frames.size(); ++i) {
            auto j = std::make_unique<job>();
            j->group = outcomes;
            j->from = std::move(group->frames[i]);
            j->detect = i == 0 ? group->detect_first : i % detect_every_ == 0;
            if (auto begun = caught("taking a frame on", [&] { j->failed = begin_capture(*j); }); !begun)
                j->failed = std::move(begun);
            to.push(std::move(j));
        }
    }
}

result<void> stage_threads::begin_capture(job& j) {
    const work_note note({stage::capture, j.from.id});
    auto source = line_of(j.from.id.source);
    if (!source) return tl::unexpected(std::move(source.error()));
    j.source = *source;
    j.number = ++(*source)->begun;
    j.serial = ++serial_;
    auto place = free_places_.pop();
    if (!place) return fail(errc::interrupted, "the flow was stopped");
    j.place = *place;
    auto uploaded = line_.frames.upload(*capture_stream_, j.from, stage::capture, when_full::wait);
    if (!uploaded) return tl::unexpected(std::move(uploaded.error()));
    j.on_device = std::move(*uploaded);
    mark(*capture_stream_, j.place->uploaded_job, j.serial);
    return {};
}

void stage_threads::mark(stream& on, std::atomic<std::uint64_t>& where, std::uint64_t serial) {
    on.enqueue([&where, serial]() -> result<void> {
        where.store(serial, std::memory_order_release);
        return {};
    });
}

// Once the landmark stream has passed the job: whether the work of the stages before was done, or which error kept it.
result<void> stage_threads::came_through(const job& j) {
    const struct {
        stream& on;
        const std::atomic<std::uint64_t>& serial;
    } before[] = {{*capture_stream_, j.place->uploaded_job},
                  {*detect_stream_, j.place->detected_job},
                  {*region_stream_, j.place->cropped_job}};
    for (const auto& b : before) {
        if (b.serial.load(std::memory_order_acquire) == j.serial) continue;
        auto reason = b.on.take_error();
        return reason ? fail(errc::internal, "work on the stream " + b.on.label() + " was skipped after an error")
                      : reason;
    }
    return {};
}

void stage_threads::detect(job& j) {
    if (!j.failed) return;
    const work_note note({stage::detect, j.from.id});
    work_place& place = *j.place;
    if (!j.detect) {
        // Not for the device: only until the work that this frame starts from is on its stream.
        std::unique_lock lock(mutex_);
        added_.wait(lock, [&] { return j.source->added + 1 >= j.number; });
        j.detect = !j.source->followed.known;
    }
    if (j.detect) {
        use(*detect_stream_, j.on_device);
        place.faces = place.space.faces(0);
        line_.work.detect(*detect_stream_, place.space.detector(), {&j.on_device, 1}, table_of(place));
    } else {
        detect_stream_->wait(*j.source->finished);
        place.faces = j.source->followed.set();
    }
    mark(*detect_stream_, place.detected_job, j.serial);
    detect_stream_->record(*place.detected);
}

vision::face_table stage_threads::table_of(const work_place& place) {
    vision::face_table t;
    t.of[0] = place.faces;
    t.frames = 1;
    return t;
}

void stage_threads::region(job& j) {
    if (!j.failed) return;
    const work_note note({stage::region, j.from.id});
    auto found = line_.frames.find(*region_stream_, j.from, stage::region, when_full::wait, &j.on_device);
    if (!found) {
        j.failed = tl::unexpected(std::move(found.error()));
        return;
    }
    j.on_device = std::move(*found);
    use(*region_stream_, j.on_device);
    region_stream_->wait(*j.place->detected);
    mesh_memory& memory = j.place->space.mesh();
    line_.work.region(*region_stream_, {&j.on_device, 1}, table_of(*j.place), 0, memory.crops(), memory.capacity());
    mark(*region_stream_, j.place->cropped_job, j.serial);
    region_stream_->record(*j.place->cropped);
}

void stage_threads::landmark(job& j) {
    result<frame_faces> faces;
    auto finished =
        caught("reading a frame's faces", [&] { faces = j.failed ? finish(j) : tl::unexpected(j.failed.error()); });
    if (!finished) faces = tl::unexpected(std::move(finished.error()));
    if (j.source != nullptr) {
        landmark_stream_->record(*j.source->finished);
        {
            const std::lock_guard lock(mutex_);
            j.source->added = j.number;
            j.source->followed.known = faces.has_value();
        }
        added_.notify_all();
    }
    // Work of this frame on the other streams came before the landmarks': the place is free once those are read.
    if (j.place != nullptr) free_places_.push(j.place);
    deliver(j, std::move(faces));
}

result<frame_faces> stage_threads::finish(job& j) {
    const work_note note({stage::landmark, j.from.id});
    landmark_stream_->wait(*j.place->cropped);
    use(*landmark_stream_, j.on_device);
    auto read = mesh_all(j);
    if (!read) return tl::unexpected(std::move(read.error()));
    if (auto r = came_through(j); !r) return tl::unexpected(std::move(r.error()));
    if (line_.work.chosen().detect_every > 1)
        line_.work.carry(*landmark_stream_, j.place->space.results(1), 0, j.source->followed.set());
    return faces_of(*read, 0, j.place->space.shape().records(), j.from, line_.work.chosen().min_presence);
}

result<vision::pass_results> stage_threads::mesh_all(job& j) {
    const tag waiting{stage::landmark, j.from.id};
    mesh_memory& memory = j.place->space.mesh();
    const vision::pass_results results = j.place->space.results(1);
    const vision::face_table faces = table_of(*j.place);
    const pass_frames frames{&j.on_device, 1};
    // The crops of one batch are there; those of further ones this thread makes by itself, one after the other.
    const auto mesh = [&](std::int32_t from, std::int32_t to) {
        for (std::int32_t first = from; first < to;) {
            const std::int32_t count = std::min(to - first, memory.capacity());
            if (first > 0) line_.work.region(*landmark_stream_, frames, faces, first, memory.crops(), count);
            line_.work.landmark(*landmark_stream_, memory, frames, faces, first, count, results);
            first += count;
        }
    };
    const std::int32_t room = line_.room.faces();
    mesh(0, room);
    auto read = reader_->read(*landmark_stream_, results, room, waiting);
    if (!read) return read;
    const std::int32_t needed = line_.room.saw(read->headers[0].count);
    if (read->headers[0].count > room) {
        mesh(room, needed);
        read = reader_->read(*landmark_stream_, results, needed, waiting);
    }
    return read;
}

result<source_line*> stage_threads::line_of(std::uint32_t source) {
    const std::lock_guard lock(mutex_);
    auto at = sources_.find(source);
    if (at == sources_.end()) {
        auto followed = followed_faces::create(line_.work.owner(), {1, line_.work.chosen().max_faces});
        if (!followed) return tl::unexpected(std::move(followed.error()));
        auto finished = line_.work.owner().make_event();
        if (!finished) return tl::unexpected(std::move(finished.error()));
        at = sources_.emplace(source, source_line{std::move(*followed), std::move(*finished), 0, 0}).first;
    }
    return &at->second;
}

void stage_threads::deliver(job& j, result<frame_faces> faces) {
    group_outcomes& u = *j.group;
    u.done.push_back({std::move(j.from), std::move(faces)});
    if (u.done.size() == u.frames) reorder_.put(u.line, u.index, u.device, std::move(u.done));
}

}  // namespace faceflow::flow
