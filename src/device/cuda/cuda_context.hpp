// SPDX-License-Identifier: Apache-2.0
// The driver's handle of the runtime's context. Private to folders named cuda.
#pragma once

#include <cuda.h>

#include "faceflow/result.hpp"

namespace faceflow::internal {

// The context of the current device, created if need be. The function comes from the driver that the runtime has
// loaded: nothing links libcuda. errc::unavailable when the driver does not return it; errors of the device.
[[nodiscard]] result<CUcontext> current_context();

}  // namespace faceflow::internal
