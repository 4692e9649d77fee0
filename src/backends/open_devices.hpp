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

namespace faceflow::internal {

struct device_request {
    std::string name = "auto";                      // auto | cpu | emulated[:N] | cuda[:all|:I,J,...]
    std::size_t memory_cap = std::size_t{2} << 30;  // of each device's pool, in bytes
    std::string link = "pcie4";                     // of emulated devices: none | pcie3 | pcie4 | pcie5
    std::int32_t threads = 0;                       // that the CPU device computes with; 0: one per processor
};

inline constexpr std::size_t max_emulated_devices = 16;

// Opens one or more devices. `cuda` is CUDA device 0; `cuda:all` is every device that the driver shows to this process
// (CUDA_VISIBLE_DEVICES). `auto` is the CPU: a device does not know whether the models can run on a GPU (see
// face_engine).
// Errors: errc::invalid_argument for an invalid name, count, cap or link (the message lists the valid ones),
// errc::unavailable for hardware that is not there.
[[nodiscard]] result<std::vector<std::unique_ptr<device>>> open_devices(const device_request& wanted);

}  // namespace faceflow::internal
