// SPDX-License-Identifier: Apache-2.0
// Products of bfloat16 with sums in float, by register tiles. Two neighbouring inputs share one float, and so do their
// weights: AVX512-BF16 instructions multiply both at once. Other CPUs process the pairs separately, for tests.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "inference/cpu/fill_kernels.hpp"

// The rest of the file is included again for every instruction set, hence the toggling guards.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "inference/cpu/product_bf16.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "inference/cpu/vectors.inc"

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::inference::cpu::HWY_NAMESPACE {
namespace {
namespace apart {

constexpr bool small_tiles = true;

using bits_tag = hn::RebindToUnsigned<float_tag>;
using bits = hn::Vec<bits_tag>;
constexpr bits_tag du;

HWY_INLINE vf second_of(bits pair) {
    return hn::BitCast(df, hn::And(pair, hn::Set(du, 0xffff0000u)));
}
HWY_INLINE vf first_of(bits pair) {
    return hn::BitCast(df, hn::ShiftLeft<16>(pair));
}

// In the order of the instruction: the second of a pair before the first. A product of two bfloat16 is exact.
HWY_INLINE vf multiply_add(vf input, vf weight, vf sum) {
    const bits inputs = hn::BitCast(du, input), weights = hn::BitCast(du, weight);
    sum = hn::MulAdd(second_of(inputs), second_of(weights), sum);
    return hn::MulAdd(first_of(inputs), first_of(weights), sum);
}

#include "inference/cpu/tile.inc"

// Rounds to nearest, ties to even, in the upper half of each lane; NaN stays NaN.
template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> rounded(D d, hn::Vec<D> v) {
    const hn::RebindToUnsigned<D> u;
    const auto from = hn::BitCast(u, v);
    const auto odd = hn::And(hn::ShiftRight<16>(from), hn::Set(u, 1u));
    const auto to = hn::Add(hn::Add(from, hn::Set(u, 0x7fffu)), odd);
    const auto none = hn::BitCast(u, hn::VecFromMask(d, hn::Ne(v, v)));
    return hn::IfThenElse(hn::MaskFromVec(none), hn::Or(from, hn::Set(u, 0x00400000u)), to);
}

void round(const float* in, std::ptrdiff_t count, float* out) {
    const hn::CappedTag<float, channel_step / 2> half;
    const hn::RebindToUnsigned<decltype(half)> u;
    const auto step = static_cast<std::ptrdiff_t>(hn::Lanes(half));
    for (std::ptrdiff_t i = 0; i < count; i += 2 * step) {
        hn::Vec<decltype(half)> first, second;
        hn::LoadInterleaved2(half, in + i, first, second);
        const auto low = hn::ShiftRight<16>(rounded(half, first));
        const auto high = hn::And(rounded(half, second), hn::Set(u, 0xffff0000u));
        hn::StoreU(hn::BitCast(half, hn::Or(low, high)), half, out + i / 2);
    }
}

}  // namespace apart
}  // namespace
}  // namespace faceflow::internal::inference::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// Highway has no target with these instructions: this part of its AVX-512 target is compiled for CPUs that also have
// them.
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512bf16")
namespace faceflow::internal::inference::cpu::HWY_NAMESPACE {
namespace {
namespace at_once {

constexpr bool small_tiles = sanitized;

HWY_INLINE vf multiply_add(vf input, vf weight, vf sum) {
    return vf{_mm512_dpbf16_ps(sum.raw, reinterpret_cast<__m512bh>(input.raw), reinterpret_cast<__m512bh>(weight.raw))};
}

#include "inference/cpu/tile.inc"

void round(const float* in, std::ptrdiff_t count, float* out) {
    std::ptrdiff_t i = 0;
    for (; i + 2 * channel_step <= count; i += 2 * channel_step) {
        const __m512 first = _mm512_loadu_ps(in + i), second = _mm512_loadu_ps(in + i + channel_step);
        _mm512_storeu_ps(out + i / 2, reinterpret_cast<__m512>(_mm512_cvtne2ps_pbh(second, first)));
    }
    if (i < count) _mm256_storeu_ps(out + i / 2, reinterpret_cast<__m256>(_mm512_cvtneps_pbh(_mm512_loadu_ps(in + i))));
}

}  // namespace at_once
}  // namespace
}  // namespace faceflow::internal::inference::cpu::HWY_NAMESPACE
HWY_POP_ATTRIBUTES
#endif

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::inference::cpu::HWY_NAMESPACE {
void fill_product_bf16(kernel_set& set) {
    set.multiply_bf16 = &apart::multiply;
    set.round = &apart::round;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    if (__builtin_cpu_supports("avx512bf16") == 0) return;
    set.multiply_bf16 = &at_once::multiply;
    set.round = &at_once::round;
    set.has_bf16 = true;
#endif
}
}  // namespace faceflow::internal::inference::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace faceflow::internal::inference::cpu {
HWY_EXPORT(fill_product_bf16);
void add_product_bf16(kernel_set& to) {
    HWY_DYNAMIC_DISPATCH(fill_product_bf16)(to);
}
}  // namespace faceflow::internal::inference::cpu
#endif  // HWY_ONCE
