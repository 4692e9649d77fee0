// The driver's count of what one device moves. For src/device/cuda alone.
#pragma once

#include <memory>

#include "device/cuda/cuda_pool.hpp"
#include "device/witness.hpp"

namespace faceflow {

// See device::make_witness. Waits for all work of device `index` first, so that none of it is counted. Waits of `pool`, the
// device's, are left out. Errors of cupti::open, and those of the device.
[[nodiscard]] result<std::unique_ptr<witness>> make_cupti_witness(int index, const cuda_pool& pool);

}  // namespace faceflow
