// SPDX-License-Identifier: Apache-2.0
// Those who include this need no CUDA header.
#pragma once

#include <cstddef>

#include "device/device.hpp"

namespace faceflow::internal::bench {

// On a stream of a CUDA device.
void copy_within_cuda(stream& on, std::byte* to, const std::byte* from, std::size_t bytes);

}  // namespace faceflow::internal::bench
