// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace faceflow::internal::inference {

// Which threads run a model on a CPU.
enum class threading : std::uint8_t {
    caller,  // only the thread that calls run: best when several frames are in work at once
    shared,  // that thread with helpers on idle processors: best for one frame's latency
};

}  // namespace faceflow::internal::inference
