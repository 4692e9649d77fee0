// SPDX-License-Identifier: Apache-2.0
// What is worth knowing of this machine's CUDA devices before a run: plain facts, and the sentences that follow from them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace faceflow {

struct gpu_card {
    int index = 0;
    std::string name;
    int major = 0, minor = 0;  // compute capability
    bool memory_pools = true;
    bool exports_memory = true;  // pools that other processes can open by a file descriptor
    enum class mode : std::uint8_t { shared, exclusive, prohibited } compute_mode = mode::shared;
};

struct gpu_facts {
    std::string compiled_for;  // as CMAKE_CUDA_ARCHITECTURES, "75-real;90"; empty: this program has no CUDA device
    std::vector<gpu_card> cards;
    std::optional<std::string> mps_folder;  // CUDA_MPS_PIPE_DIRECTORY
    bool mps_runs = false;                  // the control pipe is there, in that folder or the usual one
};

// Whether code compiled for these cards runs on one of that compute capability: machine code ("75-real") on the same major
// version from that minor one on, PTX ("75-virtual") on any later one, "75" is both. Names that are no number are taken to do.
[[nodiscard]] bool runs_on(std::string_view compiled_for, int major, int minor);

// A sentence each, with what to do; nothing of a machine that has no peculiarities.
[[nodiscard]] std::vector<std::string> remarks_on(const gpu_facts& facts);

// Why a device without pools cannot be used.
[[nodiscard]] std::string no_memory_pools(int index);

// Looks. Without a driver there are no cards.
[[nodiscard]] gpu_facts look_at_gpus();

}  // namespace faceflow
