// SPDX-License-Identifier: Apache-2.0
#include "helpers/emulated_kernels.hpp"

namespace faceflow::internal::emulation {

std::span<const emulated_kernel> emulated_few_channels() {
    return emulated(inference::kernels::small_blocks{});
}
std::span<const emulated_kernel> emulated_many_channels() {
    return emulated(inference::kernels::large_blocks{});
}

}  // namespace faceflow::internal::emulation
