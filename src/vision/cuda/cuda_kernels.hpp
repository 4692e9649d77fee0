// SPDX-License-Identifier: Apache-2.0
// The kernels of a CUDA device. Those who include this need no CUDA header.
#pragma once

#include <memory>

#include "vision/kernels.hpp"

namespace faceflow::vision {

// Each call is one launch on the given stream, a stream of make_cuda_device's device, whose memory it is given: no transfer, no
// allocation, no host sync. What fails at the launch becomes the stream's error, what fails on the
// device comes up when the host waits. Thread-safe.
//
// Against the host kernels: sampling within 1e-4 of the colour range, faces and records within the rounding of the
// mathematics functions (sine, exponential, arc tangent).
[[nodiscard]] std::unique_ptr<kernels> make_cuda_kernels();

}  // namespace faceflow::vision
