// SPDX-License-Identifier: Apache-2.0
// The precision of native kernels on a CPU.
#pragma once

#include <cstdint>

#include "faceflow/result.hpp"

namespace faceflow::internal::inference {

// bf16: products of 1 x 1 convolutions and dense layers use bfloat16 inputs and weights; sums, and everything else, are
// in single precision (docs/cpu.md).
enum class host_precision : std::uint8_t { fp32, bf16 };

// errc::unsupported, saying what is missing, if the CPU has no instructions for it. With FACEFLOW_BF16=any in the
// environment every CPU is accepted, though slower than fp32: tests of all but the instructions run anywhere.
[[nodiscard]] result<void> check_host_precision(host_precision wanted);

}  // namespace faceflow::internal::inference
