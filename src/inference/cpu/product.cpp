// SPDX-License-Identifier: Apache-2.0
// Products of floats, by register tiles.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "inference/cpu/fill_kernels.hpp"

// The rest of the file is included again for every instruction set, hence the toggling guards.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "inference/cpu/product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "inference/cpu/vectors.inc"

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::inference::cpu::HWY_NAMESPACE {
namespace {

constexpr bool small_tiles = sanitized;

HWY_INLINE vf multiply_add(vf input, vf weight, vf sum) {
    return hn::MulAdd(input, weight, sum);
}

#include "inference/cpu/tile.inc"

void fill(kernel_set& set) {
    set.target = hwy::TargetName(HWY_TARGET);
    set.lanes = lanes;
    set.widest = widest_block;
    set.multiply = &multiply;
}

}  // namespace
void fill_product(kernel_set& set) {
    fill(set);
}
}  // namespace faceflow::internal::inference::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace faceflow::internal::inference::cpu {
HWY_EXPORT(fill_product);
void add_product(kernel_set& to) {
    HWY_DYNAMIC_DISPATCH(fill_product)(to);
}
}  // namespace faceflow::internal::inference::cpu
#endif  // HWY_ONCE
