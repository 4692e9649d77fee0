// SPDX-License-Identifier: Apache-2.0
#include "inference/cuda/kernel_table.cuh"

namespace faceflow::internal::inference::kernels {

std::span<const void* const> functions_of_many_channels() {
    return functions(large_blocks{});
}

}  // namespace faceflow::internal::inference::kernels
