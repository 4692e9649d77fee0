// SPDX-License-Identifier: Apache-2.0
#include "helpers/emulated_kernels.hpp"

#include <fmt/format.h>

namespace faceflow::internal::emulation {

std::span<const emulated_kernel> emulated_front() {
    return emulated(inference::kernels::front_kernels{});
}
std::span<const emulated_kernel> emulated_any() {
    return emulated(inference::kernels::any_kernels{});
}

result<void> run(std::span<const inference::kernels::launch> launches, order first) {
    const std::span<const emulated_kernel> groups[] = {emulated_few_channels(), emulated_many_channels(),
                                                       emulated_front(),        emulated_levels(),
                                                       emulated_chains(),       emulated_any()};
    static_assert(sizeof groups / sizeof groups[0] == inference::kernels::kernel_groups);
    for (const inference::kernels::launch& l : launches) {
        const grid g{l.grid_x, l.grid_y, l.threads, l.shared_bytes};
        const emulated_kernel k = groups[static_cast<std::size_t>(l.kernel.group)][l.kernel.number];
        if (auto ok = run(g, k, l.parameters.data(), first); !ok) {
            return fail(ok.error().code, fmt::format("step {}, kernel {} of group {}: {}", l.step, l.kernel.number,
                                                     static_cast<int>(l.kernel.group), ok.error().message));
        }
    }
    return {};
}

}  // namespace faceflow::internal::emulation
