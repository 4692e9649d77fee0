// SPDX-License-Identifier: Apache-2.0
// The kernels of a CUDA device. Including this needs no CUDA header.
#pragma once

#include <memory>

#include "vision/kernels.hpp"

namespace faceflow::internal::vision {

// Each call is one launch on the given stream, which belongs to a device of make_cuda_device, as does all memory
// passed: no transfer, no allocation, no host sync. A launch error becomes the stream's error; an error on the device
// is reported when the host waits. Thread-safe.
//
// Compared to the host kernels: sampling within 1e-4 of the colour range, faces and records within the rounding of the
// mathematics functions (sine, exponential, arc tangent).
[[nodiscard]] std::unique_ptr<kernels> make_cuda_kernels();

}  // namespace faceflow::internal::vision
