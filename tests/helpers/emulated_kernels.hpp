// SPDX-License-Identifier: Apache-2.0
// Runs the launches of a network on the CPU.
#pragma once

#include <span>

#include "helpers/simt_emulation.hpp"
#include "inference/kernels/network.hpp"

namespace faceflow::internal::emulation {

// One after the other. The error names the kernel.
[[nodiscard]] result<void> run(std::span<const inference::kernels::launch> launches, order first = order::forwards);

// A kernel by itself.
template <class Kernel>
[[nodiscard]] result<void> run(const grid& g, const typename Kernel::parameters& p, order first = order::forwards) {
    return run(
        g, [](const void* parameters) { Kernel::run(*static_cast<const typename Kernel::parameters*>(parameters)); },
        &p, first);
}

using emulated_kernel = void (*)(const void* parameters);
// By number; a file each, because they take long to compile.
[[nodiscard]] std::span<const emulated_kernel> emulated_few_channels();
[[nodiscard]] std::span<const emulated_kernel> emulated_many_channels();
[[nodiscard]] std::span<const emulated_kernel> emulated_front();
[[nodiscard]] std::span<const emulated_kernel> emulated_levels();
[[nodiscard]] std::span<const emulated_kernel> emulated_chains();
[[nodiscard]] std::span<const emulated_kernel> emulated_any();

template <class... Kernels>
[[nodiscard]] std::span<const emulated_kernel> emulated(inference::kernels::kernel_list<Kernels...>) {
    static constexpr emulated_kernel all[] = {
        [](const void* parameters) { Kernels::run(*static_cast<const typename Kernels::parameters*>(parameters)); }...};
    return all;
}

}  // namespace faceflow::internal::emulation
