// SPDX-License-Identifier: Apache-2.0
// The flows of several processes. The two ends, capture and sink, are in this one; what is between them runs in stage
// processes, started with the flow and started again when they die. See process_pipeline.hpp for what tells them apart.
#pragma once

#include "flow/flow.hpp"

namespace faceflow::flow {

// What tells the flows apart whose stages are sent their work, besides the options that they heed.
struct message_traits {
    bool to_bgr = false;        // frames go as 8-bit BGR, as a camera is read; else as they are
    bool region_apart = false;  // region is a process of its own; else it shares detect's, and its frame cache
};

// Stage processes that are sent what they work on, through sockets: `copied` and `cached`.
[[nodiscard]] result<std::unique_ptr<flow>> make_message_flow(const flow_setup& setup, message_traits how);
// A frame's bytes never move after the upload: processes map the memory once and pass names of slots.
[[nodiscard]] result<std::unique_ptr<flow>> make_shared_flow(const flow_setup& setup);

}  // namespace faceflow::flow
