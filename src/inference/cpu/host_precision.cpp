// SPDX-License-Identifier: Apache-2.0
#include "inference/host_precision.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "inference/cpu/kernels.hpp"

namespace faceflow::internal::inference {

result<void> check_host_precision(host_precision wanted) {
    if (wanted == host_precision::fp32) return {};
    const char* const on_any = std::getenv("FACEFLOW_BF16");
    if (on_any != nullptr && std::string_view(on_any) == "any") return {};
    const cpu::kernel_set kernels = cpu::best_kernels();
    if (kernels.has_bf16) return {};
    return fail(errc::unsupported,
                fmt::format("bf16 takes a CPU with AVX512_BF16, and the best that this one has is {}; leave "
                            "--precision out for fp32, which every CPU computes in",
                            kernels.target));
}

}  // namespace faceflow::internal::inference
