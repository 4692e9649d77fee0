// SPDX-License-Identifier: Apache-2.0
// The part of a flow that one of its devices has.
#pragma once

#include <cstddef>

#include "core/thread.hpp"
#include "flow/flow.hpp"
#include "flow/io/input_queue.hpp"
#include "flow/io/reorder_buffer.hpp"

namespace faceflow::internal::flow {

// What a pipeline is made for: it takes the frames for its device from one end of the flow and puts their outcomes into
// the other. The flow's options, counters and ends outlive the pipeline.
struct pipeline_setup {
    const flow_setup& of;
    std::size_t number = 0;  // index of the device among the flow's
    input_queue& from;
    reorder_buffer& to;
    thread_failed failed;  // for its threads

    [[nodiscard]] const device_context& on() const { return of.devices[number]; }
};

}  // namespace faceflow::internal::flow
