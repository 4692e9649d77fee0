// SPDX-License-Identifier: Apache-2.0
// The flows of several processes. Both ends, capture and sink, run in this process; the stages between them run in
// stage processes, which the flow starts and restarts when they die. process_pipeline.hpp describes the differences
// between these flows.
#pragma once

#include "flow/flow.hpp"

namespace faceflow::internal::flow {

// The differences between the message-based flows, besides the options that each supports.
struct message_traits {
    bool to_bgr = false;        // send frames as 8-bit BGR, like a camera read; otherwise unchanged
    bool region_apart = false;  // region has its own process; otherwise it shares detect's process and frame cache
};

// Flows whose stage processes receive their input through sockets: `copied` and `cached`.
[[nodiscard]] result<std::unique_ptr<flow>> make_message_flow(const flow_setup& setup, message_traits how);
// A flow that never copies a frame after its upload: processes map the memory once and pass the names of slots.
[[nodiscard]] result<std::unique_ptr<flow>> make_shared_flow(const flow_setup& setup);

}  // namespace faceflow::internal::flow
