// SPDX-License-Identifier: Apache-2.0
// A frame that passes through stages with a thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/queue.hpp"
#include "core/thread.hpp"
#include "flow/io/frame_group.hpp"
#include "flow/io/input_queue.hpp"
#include "flow/io/reorder_buffer.hpp"

namespace faceflow::flow {

struct frame_job {
    std::shared_ptr<group_outcomes> group;
    host_frame from;
    bool detect = true;        // else it starts from the faces of its source's previous frame
    std::uint64_t number = 0;  // of the frame within its source on this device, from 1; see source_sequencer
    std::uint64_t serial = 0;  // counts all jobs of this device, ascending
    result<void> failed;       // stages skip a failed job; its error is delivered
};

// Makes a job of every frame for the device until the input queue is closed. An error of `begin` becomes the job's.
template <class Job, class Begin>
void feed_jobs(input_queue& from, std::size_t device, bounded_queue<std::unique_ptr<Job>>& jobs, Begin begin) {
    for (auto taken = from.take({device}); !taken.empty(); taken = from.take({device})) {
        frame_group& group = taken.front();
        const auto outcomes = std::make_shared<group_outcomes>(group);
        for (std::size_t i = 0; i < group.frames.size(); ++i) {
            auto j = std::make_unique<Job>();
            j->group = outcomes;
            j->from = std::move(group.frames[i]);
            j->detect = group.detects(i);
            if (auto begun = caught("taking a frame on", [&] { j->failed = begin(*j); }); !begun)
                j->failed = std::move(begun);
            jobs.push(std::move(j));
        }
    }
}

// The last step of every job; the last job of a group delivers the group.
inline void deliver(frame_job& j, result<frame_faces> faces, reorder_buffer& to) {
    j.group->add(std::move(j.from), std::move(faces));
    if (j.group->complete()) j.group->deliver(to);
}

}  // namespace faceflow::flow
