// SPDX-License-Identifier: Apache-2.0
// A frame that passes through stages with a thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/queue.hpp"
#include "core/thread.hpp"
#include "flow/io/input_queue.hpp"
#include "flow/io/reorder_buffer.hpp"

namespace faceflow::internal::flow {

struct frame_job {
    std::uint32_t order = 0;  // see queued_frame
    std::uint64_t index = 0;
    std::size_t device = 0;
    host_frame from;
    std::uint64_t number = 0;  // of the frame within its source on this device, from 1; see source_sequencer
    std::uint64_t serial = 0;  // counts all jobs of this device, ascending
    result<void> failed;       // stages skip a failed job; its error is delivered
};

// Makes a job of every frame for the device until the input queue is closed. An error of `begin` becomes the job's.
template <class Job, class Begin>
void feed_jobs(input_queue& from, std::size_t device, bounded_queue<std::unique_ptr<Job>>& jobs, Begin begin) {
    for (auto taken = from.take({device}); !taken.empty(); taken = from.take({device})) {
        queued_frame& next = taken.front();
        auto j = std::make_unique<Job>();
        j->order = next.order;
        j->index = next.index;
        j->device = next.device;
        j->from = std::move(next.frame);
        if (auto begun = caught("taking a frame on", [&] { j->failed = begin(*j); }); !begun)
            j->failed = std::move(begun);
        jobs.push(std::move(j));
    }
}

// The last step of every job.
inline void deliver(frame_job& j, result<frame_faces> faces, reorder_buffer& to) {
    to.put(j.order, j.index, j.device, {std::move(j.from), std::move(faces)});
}

}  // namespace faceflow::internal::flow
