// SPDX-License-Identifier: Apache-2.0
// Whether the CUDA driver works, and if not, why. Needs no driver; including this needs no CUDA header.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "device/gpu_facts.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal {

// The CUDA runtime's answer to a query for devices. Versions are encoded as 12040 for 12.4.
struct cuda_answer {
    int status = 0;                      // a cudaError_t
    int count = 0;                       // devices that this process may use
    int driver = 0;                      // the newest CUDA version that the driver supports; 0 without a driver
    int built_for = 0;                   // the version of the CUDA runtime in this program
    std::optional<std::string> visible;  // CUDA_VISIBLE_DEVICES
};

// Queries the runtime; safe on any machine. The first call on a machine with a driver loads it (some 100 ms).
// Thread-safe.
[[nodiscard]] cuda_answer ask_cuda();

// The number of devices, > 0. errc::unavailable with the reason and what to do: no driver, a driver too old for this
// program, no device in the machine, all devices hidden, or the driver's own error.
[[nodiscard]] result<int> device_count(const cuda_answer& answer);

// What the driver says of the devices without a context on each.
[[nodiscard]] std::vector<gpu_card> ask_cuda_cards();
// The architectures that this program's kernels are compiled for; see gpu_facts.
[[nodiscard]] std::string cuda_cards_compiled_for();

}  // namespace faceflow::internal
