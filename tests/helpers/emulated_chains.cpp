// SPDX-License-Identifier: Apache-2.0
#include "helpers/emulated_kernels.hpp"

namespace faceflow::internal::emulation {

std::span<const emulated_kernel> emulated_levels() {
    return emulated(inference::kernels::level_kernels{});
}
std::span<const emulated_kernel> emulated_chains() {
    return emulated(inference::kernels::chain_kernels{});
}

}  // namespace faceflow::internal::emulation
