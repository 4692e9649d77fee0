// SPDX-License-Identifier: Apache-2.0
// The result of a flow for each frame.
#pragma once

#include <functional>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::internal::flow {

struct outcome {
    host_frame frame;
    result<frame_faces> faces;
};

// Called on one thread of the flow, in order of sequence within a source; a slow handler slows the flow.
using outcome_handler = std::function<void(outcome&&)>;

}  // namespace faceflow::internal::flow
