// SPDX-License-Identifier: Apache-2.0
// Each kernel file adds its kernels to a set, for the best instruction set of this CPU.
#pragma once

#include "inference/cpu/kernels.hpp"

namespace faceflow::internal::inference::cpu {

void add_product(kernel_set& to);
void add_product_bf16(kernel_set& to);
void add_rows(kernel_set& to);
void add_winograd(kernel_set& to);
void add_numbers(kernel_set& to);

}  // namespace faceflow::internal::inference::cpu
