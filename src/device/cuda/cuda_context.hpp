// SPDX-License-Identifier: Apache-2.0
// The driver's handle of the context that the runtime works in. For folders named cuda alone.
#pragma once

#include <cuda.h>

#include "faceflow/result.hpp"

namespace faceflow {

// Of the current device, whose context is made if need be. The call comes from the driver that the runtime has opened: nothing links
// libcuda. errc::unavailable when the driver does not tell; errors of the device.
[[nodiscard]] result<CUcontext> current_context();

}  // namespace faceflow
