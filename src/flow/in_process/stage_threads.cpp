// SPDX-License-Identifier: Apache-2.0
#include "flow/in_process/stage_threads.hpp"

#include <algorithm>

#include "core/try.hpp"
#include "device/stage_scope.hpp"

namespace faceflow::internal::flow {

stage_threads::stage_threads(const pipeline_setup& setup)
    : resources_(setup.on(), setup.of.chosen, setup.of.counters, 3 * jobs_in_flight, mesh_batch),
      device_number_(setup.number),
      inputs_(setup.from),
      reorder_(setup.to) {}

result<std::unique_ptr<stage_threads>> stage_threads::create(pipeline_setup setup) {
    std::unique_ptr<stage_threads> s(new stage_threads(setup));
    FACEFLOW_TRY(s->prepare());
    FACEFLOW_TRY(s->start(std::move(setup.failed)));
    return s;
}

result<void> stage_threads::prepare() {
    device& d = resources_.stages.owner();
    const options& o = resources_.stages.chosen();
    const pass_shape shape{1, o.max_faces, mesh_batch, resources_.stages.models().crops()};
    for (auto& [into, label] : {std::pair{&capture_stream_, "capture"},
                                {&detect_stream_, "detect"},
                                {&region_stream_, "region"},
                                {&landmark_stream_, "landmark"}}) {
        FACEFLOW_ASSIGN(auto made, d.make_stream(label));
        *into = std::move(made);
    }
    for (std::size_t i = 0; i < jobs_in_flight; ++i) {
        FACEFLOW_ASSIGN(auto space,
                        workspace::create(*detect_stream_, *landmark_stream_, resources_.stages.models(), shape));
        job_buffers& b = *all_buffers_.emplace_back(std::make_unique<job_buffers>(std::move(space)));
        FACEFLOW_ASSIGN(b.uploaded, d.make_event());
        FACEFLOW_ASSIGN(b.detected, d.make_event());
        FACEFLOW_ASSIGN(b.cropped, d.make_event());
        free_buffers_.push(&b);
    }
    FACEFLOW_ASSIGN(auto reader, result_reader::create(d, shape.results_bytes(), o.tuning.pinned));
    reader_ = std::make_unique<result_reader>(std::move(reader));
    return {};
}

result<void> stage_threads::start(thread_failed failed) {
    return pipeline_.start(
        [this](auto& to) { feed_jobs<job>(inputs_, device_number_, to, [this](job& j) { return capture(j); }); },
        {[this](job& j) { detect(j); }, [this](job& j) { region(j); }, [this](job& j) { landmark(j); }},
        std::move(failed));
}

stage_threads::~stage_threads() {
    free_buffers_.close();
    pipeline_.join();
    resources_.frames.close();
    for (stream* s : {capture_stream_.get(), detect_stream_.get(), region_stream_.get(), landmark_stream_.get()}) {
        if (s != nullptr) wait_until_idle(*s);
    }
    all_buffers_.clear();  // destroys the models before their streams
}

result<source_tracks> stage_threads::make_tracks() {
    device& d = resources_.stages.owner();
    const options& o = resources_.stages.chosen();
    FACEFLOW_ASSIGN(auto tracked, tracked_faces::create(d, {1, o.max_faces}, o));
    FACEFLOW_ASSIGN(auto meshed, d.make_event());
    return source_tracks{std::move(tracked), std::move(meshed)};
}

result<void> stage_threads::capture(job& j) {
    const stage_scope note({stage::capture, j.from.id});
    FACEFLOW_ASSIGN(j.source, sources_.find(j.from.id.source, [this] { return make_tracks(); }));
    j.number = sources_.begin(*j.source);
    j.serial = ++serial_;
    auto free = free_buffers_.pop();
    if (!free) return fail(errc::interrupted, "the flow was stopped");
    j.buffers = *free;
    FACEFLOW_ASSIGN(j.on_device, resources_.frames.upload(*capture_stream_, j.from, stage::capture, when_full::wait));
    mark(*capture_stream_, j.buffers->uploaded_job, j.serial);
    capture_stream_->record(*j.buffers->uploaded);
    return {};
}

void stage_threads::mark(stream& s, std::atomic<std::uint64_t>& where, std::uint64_t serial) {
    s.enqueue([&where, serial]() -> result<void> {
        where.store(serial, std::memory_order_release);
        return {};
    });
}

// Call it once the landmark stream has passed the job. Success if the earlier stages' work was done, else the error
// that prevented it.
result<void> stage_threads::completed(const job& j) {
    const struct {
        stream& s;
        const std::atomic<std::uint64_t>& serial;
    } before[] = {{*capture_stream_, j.buffers->uploaded_job},
                  {*detect_stream_, j.buffers->detected_job},
                  {*region_stream_, j.buffers->cropped_job}};
    for (const auto& b : before) {
        if (b.serial.load(std::memory_order_acquire) == j.serial) continue;
        auto reason = b.s.take_error();
        return reason ? fail(errc::internal, "work on the stream " + b.s.label() + " was skipped after an error")
                      : reason;
    }
    return {};
}

void stage_threads::detect(job& j) {
    if (!j.failed) return;
    const stage_scope note({stage::detect, j.from.id});
    job_buffers& buffers = *j.buffers;
    // What the previous frame of the source left decides whether to detect, and where its faces are.
    if (follows(j.from)) {
        sources_.wait_for_previous(*j.source, j.number);
        j.how = j.source->state.tracked.schedule.next(j.from.pts_ns);
    }
    // The upload completes before the job's mark is set, and a frame without its mark counts as failed.
    detect_stream_->wait(*buffers.uploaded);
    vision::detection_set* const found = buffers.space.faces(0);
    buffers.faces = found;
    if (j.how.detect) {
        use(*detect_stream_, j.on_device);
        resources_.stages.detect(*detect_stream_, buffers.space.detector(), {&j.on_device, 1},
                                 vision::one_frame_table(found));
    }
    if (follows(j.from)) {
        buffers.faces = j.source->state.tracked.set();
        detect_stream_->wait(*j.source->state.meshed);
        if (j.how.detect)
            resources_.stages.merge(*detect_stream_, vision::one_frame_table(found),
                                    vision::one_frame_table(buffers.faces), {&j.how.begins, 1});
    }
    mark(*detect_stream_, buffers.detected_job, j.serial);
    detect_stream_->record(*buffers.detected);
}

void stage_threads::region(job& j) {
    if (!j.failed) return;
    const stage_scope note({stage::region, j.from.id});
    auto found = resources_.frames.find(*region_stream_, j.from, stage::region, when_full::wait, &j.on_device);
    if (!found) {
        j.failed = tl::unexpected(std::move(found.error()));
        return;
    }
    j.on_device = std::move(*found);
    use(*region_stream_, j.on_device);
    region_stream_->wait(*j.buffers->detected);
    const mesh_memory& memory = j.buffers->space.mesh();
    resources_.stages.region(*region_stream_, {{&j.on_device, 1}, vision::one_frame_table(j.buffers->faces)}, 0,
                             memory.crops(), memory.capacity());
    mark(*region_stream_, j.buffers->cropped_job, j.serial);
    region_stream_->record(*j.buffers->cropped);
}

void stage_threads::landmark(job& j) {
    result<frame_faces> faces;
    followed_state state;
    auto meshed = caught("reading a frame's faces",
                         [&] { faces = j.failed ? mesh(j, state) : tl::unexpected(j.failed.error()); });
    if (!meshed) faces = tl::unexpected(std::move(meshed.error()));
    if (j.source != nullptr) take_outcome(j, faces, state);
    // The landmark work waits for this frame's work on the other streams: once its results are read, the buffers are
    // free.
    if (j.buffers != nullptr) free_buffers_.push(j.buffers);
    deliver(j, std::move(faces), reorder_);
}

void stage_threads::take_outcome(job& j, const result<frame_faces>& faces, followed_state state) {
    landmark_stream_->record(*j.source->state.meshed);
    if (follows(j.from)) {
        detect_schedule& schedule = j.source->state.tracked.schedule;
        faces ? schedule.done(state) : schedule.failed();
    }
    sources_.finish(*j.source, j.number);
}

result<frame_faces> stage_threads::mesh(job& j, followed_state& state) {
    const stage_scope note({stage::landmark, j.from.id});
    landmark_stream_->wait(*j.buffers->cropped);
    use(*landmark_stream_, j.on_device);
    FACEFLOW_ASSIGN(auto read, mesh_all(j));
    FACEFLOW_TRY(completed(j));
    const options& o = resources_.stages.chosen();
    workspace& space = j.buffers->space;
    if (follows(j.from)) {
        resources_.stages.propagate(*landmark_stream_, space.results(1), vision::one_frame_table(j.buffers->faces));
        state = followed_state_of(read, 0, space.shape().records(), o.min_presence);
    }
    return faces_of(read, 0, space.shape().records(), j.from, o.min_presence);
}

// The region stage cropped the first batch; the crops of further batches are made here, on the landmark stream.
result<vision::pass_results> stage_threads::mesh_all(job& j) {
    const tag waiting{stage::landmark, j.from.id};
    workspace& space = j.buffers->space;
    const frame_pass pass{{&j.on_device, 1}, vision::one_frame_table(j.buffers->faces), space.results(1)};
    const auto mesh = [&](std::int32_t first, std::int32_t end) {
        resources_.stages.crop_and_mesh(*landmark_stream_, space.mesh(), pass, {first, end, true});
    };
    const auto read = [&](std::int32_t faces) {
        return reader_->read(*landmark_stream_, pass.results, faces, waiting);
    };
    const std::int32_t capacity = resources_.capacity.faces();
    mesh(0, capacity);
    return read_the_rest(read(capacity), capacity, resources_.capacity, mesh, read);
}

}  // namespace faceflow::internal::flow
