// SPDX-License-Identifier: Apache-2.0
// The CPU as a device: host memory is device memory, and work runs at once on the calling thread.
#pragma once

#include <cstdint>
#include <memory>

#include "device/device.hpp"

namespace faceflow::internal {

// `threads`: how many threads run kernels; 0: as many as the processors that the process may use.
[[nodiscard]] std::unique_ptr<device> make_cpu_device(std::size_t memory_cap, std::int32_t threads = 0);

}  // namespace faceflow::internal
