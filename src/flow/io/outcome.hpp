// SPDX-License-Identifier: Apache-2.0
// What a flow gives back for each frame.
#pragma once

#include <functional>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::flow {

struct outcome {
    host_frame frame;
    result<frame_faces> faces;
};

// Called on one thread of the flow's own, in the order of sequence within a source; slowness here holds up the flow.
using outcome_handler = std::function<void(outcome&&)>;

}  // namespace faceflow::flow
