// SPDX-License-Identifier: Apache-2.0
// Imports of allocations in other processes' CUDA pools. Private to src/device/cuda.
#pragma once

#include <memory>

#include "device/sharing.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal {

// Opens the pool behind the export's descriptor and the allocation that it names, for device `index`. Destroying the
// import waits for the device, like cudaFree. errc::corrupt for an export that the driver refuses or that is another
// card's.
[[nodiscard]] result<std::unique_ptr<memory_import>> import_cuda_memory(int index, const memory_export& from);

}  // namespace faceflow::internal
