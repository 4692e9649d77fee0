// SPDX-License-Identifier: Apache-2.0
// Facts about this machine's CUDA devices that matter before a run, and the remarks that follow from them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace faceflow::internal {

struct gpu_card {
    int index = 0;
    std::string name;
    int major = 0, minor = 0;  // compute capability
    bool memory_pools = true;
    bool exports_memory = true;  // other processes can open its pools by file descriptor
    enum class mode : std::uint8_t { shared, exclusive, prohibited } compute_mode = mode::shared;
};

struct gpu_facts {
    std::string compiled_for;  // as in CMAKE_CUDA_ARCHITECTURES, "75-real;90"; empty: built without CUDA
    std::vector<gpu_card> cards;
    std::optional<std::string> mps_folder;  // CUDA_MPS_PIPE_DIRECTORY
    bool mps_runs = false;                  // the control pipe exists, in mps_folder or the default folder
};

// Whether code compiled for these architectures runs on a device of the given compute capability. Machine code
// ("75-real") runs on the same major version from its minor version on, PTX ("75-virtual") on any later version; "75"
// is both. Names that are not numbers are assumed to run.
[[nodiscard]] bool runs_on(std::string_view compiled_for, int major, int minor);

// One sentence per remark, with what to do; empty for a machine without peculiarities.
[[nodiscard]] std::vector<std::string> remarks_on(const gpu_facts& facts);

// The message for a device without memory pools, which cannot be used.
[[nodiscard]] std::string no_memory_pools(int index);

// Facts without cards: whether an MPS server runs. All facts: look_at_gpus (backends/back_end.hpp).
[[nodiscard]] gpu_facts look_at_mps();

}  // namespace faceflow::internal
