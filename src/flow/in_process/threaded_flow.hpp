// SPDX-License-Identifier: Apache-2.0
// threaded: capture, detect, region and landmark on a thread and a stream each, joined by bounded queues; track and sink run on
// the handler's thread. A frame's lease goes along; its bytes do not move. Streams are ordered by events.
#pragma once

#include "flow/flow.hpp"

namespace faceflow::flow {

[[nodiscard]] result<std::unique_ptr<flow>> make_threaded_flow(const flow_setup& setup);

}  // namespace faceflow::flow
