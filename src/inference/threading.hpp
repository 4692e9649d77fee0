// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace faceflow::inference {

// Who runs a model on a CPU.
enum class threading : std::uint8_t {
    caller,  // the thread that calls run, alone: best when several frames are in work at once
    shared,  // that one with others, as far as processors are idle: best for one frame's latency
};

}  // namespace faceflow::inference
