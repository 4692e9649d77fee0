// SPDX-License-Identifier: Apache-2.0
// The four threads of one device in the threaded flow.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "core/queue.hpp"
#include "flow/device_line.hpp"
#include "flow/input_queue.hpp"
#include "flow/reorder_buffer.hpp"
#include "flow/result_reader.hpp"
#include "flow/stage_pipeline.hpp"

namespace faceflow::flow {

// Where a source's last frame left its faces, for its frames in turn.
struct source_line {
    followed_faces followed;
    std::unique_ptr<event> finished;     // behind the landmark stage's work on the frame that `added` counts
    std::uint64_t begun = 0, added = 0;  // frames whose detection was asked for; whose landmark work is on the stream
};

// The outcomes of a group in the making; the last of its frames hands them on.
struct group_outcomes {
    std::uint32_t line = 0;
    std::uint64_t index = 0;
    std::size_t device = 0, frames = 0;
    std::vector<outcome> done;
};

// What a frame in work owns beside its own memory. There are as many as frames in work at most.
struct work_place {
    workspace space;
    std::unique_ptr<event> detected, cropped;
    // Jobs whose work came through on those streams. A stream that failed skips what follows, so a number that is not the
    // job's own tells that its work was not done, whoever collected the error.
    std::atomic<std::uint64_t> uploaded_job{0}, detected_job{0}, cropped_job{0};
    vision::detection_set* faces = nullptr;  // of the frame: the workspace's, or where its source's were left
    explicit work_place(workspace w) : space(std::move(w)) {}
};

struct job {
    std::shared_ptr<group_outcomes> group;
    host_frame from;
    bool detect = true;
    frame on_device;
    work_place* place = nullptr;
    source_line* source = nullptr;
    std::uint64_t number = 0;  // within its source on this device, from 1
    std::uint64_t serial = 0;  // of all jobs of this device, from 1
    result<void> failed;
};

class stage_threads {
public:
    // Frames in work at once.
    static constexpr std::size_t places = 4;

    // `number`: of the device among the flow's.
    [[nodiscard]] static result<std::unique_ptr<stage_threads>> create(const device_context& d, const flow_parts& parts,
                                                                       std::size_t number, input_queue& from,
                                                                       reorder_buffer& to, thread_failed failed);
    // The input queue must be closed.
    ~stage_threads();

    [[nodiscard]] frame_cache_counts cache() const { return line_.frames.counts(); }

private:
    stage_threads(const device_context& d, const flow_parts& parts, std::size_t number, input_queue& from,
                  reorder_buffer& to);
    [[nodiscard]] result<void> prepare();
    [[nodiscard]] result<void> start(thread_failed failed);

    void capture(stage_pipeline<job>::edge& to);
    void detect(job& j);
    void region(job& j);
    void landmark(job& j);
    [[nodiscard]] result<void> begin_capture(job& j);
    [[nodiscard]] result<vision::pass_results> mesh_all(job& j);
    [[nodiscard]] result<frame_faces> finish(job& j);
    // Enters the job's serial number in stream order, behind the work of its stage.
    static void mark(stream& on, std::atomic<std::uint64_t>& where, std::uint64_t serial);
    [[nodiscard]] result<void> came_through(const job& j);
    [[nodiscard]] static vision::face_table table_of(const work_place& place);
    [[nodiscard]] result<source_line*> line_of(std::uint32_t source);
    void deliver(job& j, result<frame_faces> faces);

    device_line line_;
    const std::size_t device_number_, detect_every_;
    input_queue& inputs_;
    reorder_buffer& reorder_;
    std::vector<std::unique_ptr<work_place>> all_places_;
    bounded_queue<work_place*> free_places_{places, queue_policy::block};
    std::unique_ptr<result_reader> reader_;
    std::mutex mutex_;
    std::condition_variable added_;
    std::map<std::uint32_t, source_line> sources_;
    std::uint64_t serial_ = 0;
    std::unique_ptr<stream> capture_stream_, detect_stream_, region_stream_, landmark_stream_;
    stage_pipeline<job> pipeline_;
};

}  // namespace faceflow::flow
