// SPDX-License-Identifier: Apache-2.0
// What kernels of our own on a CPU compute in.
#pragma once

#include <cstdint>

#include "faceflow/result.hpp"

namespace faceflow::inference {

// bf16: products of 1 x 1 convolutions and dense layers take inputs and weights as bfloat16s; their sums, and all else,
// are in single precision (docs/cpu.md).
enum class host_precision : std::uint8_t { fp32, bf16 };

// errc::unsupported, with what is missing, where the CPU has no instructions for it. With FACEFLOW_BF16=any in the
// environment every CPU will do, and take longer than in fp32: tests of all but the instructions run anywhere.
[[nodiscard]] result<void> check_host_precision(host_precision wanted);

}  // namespace faceflow::inference
