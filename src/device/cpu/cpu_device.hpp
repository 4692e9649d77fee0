// The CPU as a device: host memory is device memory, work runs at once on the calling thread.
#pragma once

#include <memory>

#include "device/device.hpp"

namespace faceflow {

[[nodiscard]] std::unique_ptr<device> make_cpu_device(std::size_t memory_cap);

}  // namespace faceflow
