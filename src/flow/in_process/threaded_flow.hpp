// SPDX-License-Identifier: Apache-2.0
// threaded: capture, detect, region and landmark each have a thread and a stream, connected by bounded queues; track
// and sink run on the handler's thread. A frame's lease moves along; its bytes do not. Events order the streams.
#pragma once

#include "flow/flow.hpp"

namespace faceflow::internal::flow {

[[nodiscard]] result<std::unique_ptr<flow>> make_threaded_flow(const flow_setup& setup);

}  // namespace faceflow::internal::flow
