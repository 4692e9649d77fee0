// SPDX-License-Identifier: Apache-2.0
// Devices by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

struct device_request {
    std::string name = "auto";                      // auto | cpu | emulated[:N] | cuda[:all|:I,J,...]
    std::size_t memory_cap = std::size_t{2} << 30;  // of each device's pool, bytes
    std::string link = "pcie4";                     // of emulated devices: none | pcie3 | pcie4 | pcie5
    std::int32_t threads = 0;  // of the CPU that compute together; 0: as many as there are processors
};

inline constexpr std::size_t max_emulated_devices = 16;

// One or more devices; `cuda` is CUDA device 0, `cuda:all` every one that the driver shows this process (CUDA_VISIBLE_DEVICES). `auto` is the CPU: whether faces can be computed on a GPU, a device does
// not know (see face_engine). Errors: errc::invalid_argument for a name, count, cap or
// link that makes no sense (the message lists those that do), errc::unavailable for hardware that is not there.
[[nodiscard]] result<std::vector<std::unique_ptr<device>>> open_devices(const device_request& wanted);

}  // namespace faceflow
