// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flow/multi_process/stage_protocol.hpp"

namespace faceflow::internal::flow {

// The greeting of an owner on the CPU.
inline stage_hello cpu_hello(stage_role role, std::uint32_t buffers) {
    stage_hello h;
    h.role = role;
    h.chosen.device = "cpu";
    h.chosen.device_memory = 256u << 20;
    h.buffers = buffers;
    return h;
}

}  // namespace faceflow::internal::flow
