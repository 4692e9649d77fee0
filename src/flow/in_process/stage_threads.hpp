// SPDX-License-Identifier: Apache-2.0
// The four threads of one device in the threaded flow.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "core/queue.hpp"
#include "flow/io/frame_job.hpp"
#include "flow/io/source_sequencer.hpp"
#include "flow/io/stage_pipeline.hpp"
#include "flow/pipeline_setup.hpp"
#include "flow/stages/device_resources.hpp"
#include "flow/stages/result_reader.hpp"
#include "flow/stages/tracked_faces.hpp"

namespace faceflow::internal::flow {

// Where a source's last frame left its faces.
struct source_tracks {
    tracked_faces tracked;
    std::unique_ptr<event> meshed;  // marks the end of the landmark stage's work on that frame
};

// Buffers of a frame in work, besides its own memory. There is one set per frame in work.
struct job_buffers {
    workspace space;
    std::unique_ptr<event> uploaded, detected, cropped;
    // The last job whose work completed on each stream. A failed stream skips later work, so a number other than the
    // job's own means that its work was not done, whichever thread has collected the error.
    std::atomic<std::uint64_t> uploaded_job{0}, detected_job{0}, cropped_job{0};
    // of the frame: in the workspace, or those that its source is followed by
    vision::detection_set* faces = nullptr;
    explicit job_buffers(workspace w) : space(std::move(w)) {}
};

struct job : frame_job {
    frame on_device;
    job_buffers* buffers = nullptr;
    source_sequencer<source_tracks>::source* source = nullptr;
    detect_decision how;
};

class stage_threads {
public:
    // Frames in work at once.
    static constexpr std::size_t jobs_in_flight = 4;

    [[nodiscard]] static result<std::unique_ptr<stage_threads>> create(pipeline_setup setup);
    // The input queue must be closed first.
    ~stage_threads();

    [[nodiscard]] frame_cache_counts cache() const { return resources_.frames.counts(); }

private:
    explicit stage_threads(const pipeline_setup& setup);
    [[nodiscard]] result<void> prepare();
    [[nodiscard]] result<void> start(thread_failed failed);

    void detect(job& j);
    void region(job& j);
    void landmark(job& j);
    [[nodiscard]] result<void> capture(job& j);
    [[nodiscard]] result<vision::pass_results> mesh_all(job& j);
    [[nodiscard]] result<frame_faces> mesh(job& j, followed_state& state);
    // Stores the job's serial number in stream order, after the work of its stage.
    static void mark(stream& s, std::atomic<std::uint64_t>& where, std::uint64_t serial);
    [[nodiscard]] result<void> completed(const job& j);
    void take_outcome(job& j, const result<frame_faces>& faces, followed_state state);
    [[nodiscard]] result<source_tracks> make_tracks();

    device_resources resources_;
    const std::size_t device_number_;
    input_queue& inputs_;
    reorder_buffer& reorder_;
    std::vector<std::unique_ptr<job_buffers>> all_buffers_;
    bounded_queue<job_buffers*> free_buffers_{jobs_in_flight, queue_policy::block};
    std::unique_ptr<result_reader> reader_;
    source_sequencer<source_tracks> sources_;
    std::uint64_t serial_ = 0;
    std::unique_ptr<stream> capture_stream_, detect_stream_, region_stream_, landmark_stream_;
    stage_pipeline<job> pipeline_;
};

}  // namespace faceflow::internal::flow
