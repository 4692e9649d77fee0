// SPDX-License-Identifier: Apache-2.0
// Kernels for heads and attention, besides products.
#include "inference/cpu/fill_kernels.hpp"

// The rest of the file is included again for every instruction set, hence the toggling guards.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "inference/cpu/numbers.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "inference/cpu/vectors.inc"

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::inference::cpu::HWY_NAMESPACE {
namespace {

void mix(const mixed_pixel& m) {
    for (int c = 0; c < m.channels; c += lanes) {
        vf v = hn::Mul(hn::LoadU(df, m.corners[0] + c), hn::Set(df, m.weights[0]));
        FACEFLOW_UNROLL
        for (int i = 1; i < 4; ++i)
            v = hn::MulAdd(hn::LoadU(df, m.corners[i] + c), hn::Set(df, m.weights[i]), v);
        hn::StoreU(v, df, m.out + c);
    }
}

// Transposes the next four channels of four pixels.
HWY_INLINE void planes_of_four(const float* in, std::ptrdiff_t step, float* out, std::ptrdiff_t plane) {
#if HWY_TARGET == HWY_SCALAR
    for (int i = 0; i < 4; ++i)
        for (int c = 0; c < 4; ++c)
            out[c * plane + i] = in[i * step + c];
#else
    const hn::CappedTag<float, 4> four;
    const auto a = hn::LoadU(four, in), b = hn::LoadU(four, in + step), c = hn::LoadU(four, in + 2 * step),
               d = hn::LoadU(four, in + 3 * step);
    const auto even = hn::InterleaveLower(four, a, c), odd = hn::InterleaveLower(four, b, d);
    const auto even_2 = hn::InterleaveUpper(four, a, c), odd_2 = hn::InterleaveUpper(four, b, d);
    hn::StoreU(hn::InterleaveLower(four, even, odd), four, out);
    hn::StoreU(hn::InterleaveUpper(four, even, odd), four, out + plane);
    hn::StoreU(hn::InterleaveLower(four, even_2, odd_2), four, out + 2 * plane);
    hn::StoreU(hn::InterleaveUpper(four, even_2, odd_2), four, out + 3 * plane);
#endif
}

void separate(const float* in, std::ptrdiff_t step, std::int32_t pixels, std::int32_t channels, float* out,
              std::ptrdiff_t plane) {
    std::int32_t c = 0;
    for (; c + 4 <= channels; c += 4) {
        std::ptrdiff_t i = 0;
        for (; i + 4 <= pixels; i += 4)
            planes_of_four(in + i * step + c, step, out + c * plane + i, plane);
        for (; i < pixels; ++i)
            for (int k = c; k < c + 4; ++k)
                out[k * plane + i] = in[i * step + k];
    }
    for (; c < channels; ++c)
        for (std::ptrdiff_t i = 0; i < pixels; ++i)
            out[c * plane + i] = in[i * step + c];
}

// 1 / (1 + e^x); beyond +-80 it is 0 or 1 all the same.
HWY_INLINE vf share_against(vf x) {
    const vf far = hn::Set(df, 80.0f), one = hn::Set(df, 1.0f);
    return hn::Div(one, hn::Add(one, hn::Exp(df, hn::Min(hn::Max(x, hn::Neg(far)), far))));
}

HWY_INLINE void softmax_of(float* a, float* b) {
    const vf difference = hn::Sub(hn::LoadU(df, b), hn::LoadU(df, a));
    hn::StoreU(share_against(difference), df, a);
    hn::StoreU(share_against(hn::Neg(difference)), df, b);
}

void softmax(float* a, float* b, std::int32_t count) {
    std::int32_t i = 0;
    for (; i + lanes <= count; i += lanes)
        softmax_of(a + i, b + i);
    if (i == count) return;
    float rest_a[lanes] = {}, rest_b[lanes] = {};
    for (int k = 0; k < lanes && i + k < count; ++k) {
        rest_a[k] = a[i + k];
        rest_b[k] = b[i + k];
    }
    softmax_of(rest_a, rest_b);
    for (int k = 0; k < lanes && i + k < count; ++k) {
        a[i + k] = rest_a[k];
        b[i + k] = rest_b[k];
    }
}

void fill(kernel_set& set) {
    set.mix = &mix;
    set.separate = &separate;
    set.softmax = &softmax;
}

}  // namespace
void fill_numbers(kernel_set& set) {
    fill(set);
}
}  // namespace faceflow::internal::inference::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace faceflow::internal::inference::cpu {
HWY_EXPORT(fill_numbers);
void add_numbers(kernel_set& to) {
    HWY_DYNAMIC_DISPATCH(fill_numbers)(to);
}

kernel_set best_kernels() {
    kernel_set all;
    add_product(all);
    add_product_bf16(all);
    add_rows(all);
    add_winograd(all);
    add_numbers(all);
    return all;
}
}  // namespace faceflow::internal::inference::cpu
#endif  // HWY_ONCE
