// SPDX-License-Identifier: Apache-2.0
// Allocations of other processes' CUDA pools in this one. For src/device/cuda alone.
#pragma once

#include <memory>

#include "device/sharing.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

// Opens the pool behind the export's descriptor and the allocation named in it, for device `index`. Letting go of it waits for
// the device, as cudaFree does. errc::corrupt for an export that the driver does not take or that is another card's.
[[nodiscard]] result<std::unique_ptr<memory_import>> import_cuda_memory(int index, const memory_export& from);

}  // namespace faceflow
