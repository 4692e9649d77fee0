// SPDX-License-Identifier: Apache-2.0
// Copies inside a device's memory: what a kernel that only moves bytes could reach at best.
#pragma once

#include <cstddef>

#include "device/device.hpp"

namespace faceflow::internal::bench {

// Adds it to the stream, by the device's own means.
void copy_within(stream& on, std::byte* to, std::byte* from, std::size_t bytes);

}  // namespace faceflow::internal::bench
