// SPDX-License-Identifier: Apache-2.0
// The driver's count of one device's transfers. Private to src/device/cuda.
#pragma once

#include <memory>

#include "device/cuda/cuda_pool.hpp"
#include "device/transfer_counter.hpp"

namespace faceflow::internal {

// See device::make_transfer_counter. Waits for all work of device `index` first, so that none of it is counted. Waits
// of `pool`, the device's own, are left out. Errors of cupti::open and of the device.
[[nodiscard]] result<std::unique_ptr<transfer_counter>> make_cupti_counter(int index, const cuda_pool& pool);

}  // namespace faceflow::internal
