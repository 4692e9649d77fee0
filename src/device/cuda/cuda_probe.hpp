// SPDX-License-Identifier: Apache-2.0
// Whether the CUDA driver answers, and if not, why. Needs no driver, and no CUDA header from those who include it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "device/gpu_facts.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

// What the CUDA runtime said when it was asked for devices. Versions are as 12040 for 12.4.
struct cuda_answer {
    int status = 0;                      // a cudaError_t
    int count = 0;                       // devices that this process may use
    int driver = 0;                      // the newest CUDA that the driver serves; 0 without a driver
    int built_for = 0;                   // the CUDA runtime in this program
    std::optional<std::string> visible;  // CUDA_VISIBLE_DEVICES
};

// Asks; safe on any machine. The first call on a machine with a driver loads it (some 100 ms). Thread-safe.
[[nodiscard]] cuda_answer ask_cuda();

// The number of devices, above 0. errc::unavailable with the reason and what to do: no driver, one too old for this program,
// no device in the machine or all hidden, or whatever else the driver reported.
[[nodiscard]] result<int> device_count(const cuda_answer& answer);

// The devices, as far as the driver tells of them without a context on each.
[[nodiscard]] std::vector<gpu_card> ask_cuda_cards();
// What this program's kernels are compiled for; see gpu_facts.
[[nodiscard]] std::string cuda_cards_compiled_for();

}  // namespace faceflow
