// SPDX-License-Identifier: Apache-2.0
// Winograd's F(4 x 4, 3 x 3): 4 x 4 outputs of a 3 x 3 by 36 products in place of 144. Lavin and Gray, "Fast Algorithms
// for Convolutional Neural Networks" (2015), with the points 0, 1, -1, 2, -2 and infinity.
#include "inference/cpu/fill_kernels.hpp"

// The rest of the file is included again for every instruction set, hence the toggling guards.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "inference/cpu/winograd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "inference/cpu/vectors.inc"

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::inference::cpu::HWY_NAMESPACE {
namespace {

// B' of the paper, on six numbers.
HWY_INLINE void transform_in(const vf (&d)[6], vf (&o)[6]) {
    const vf four = hn::Set(df, 4.0f), five = hn::Set(df, 5.0f);
    const vf even = hn::NegMulAdd(four, d[2], d[4]), odd = hn::NegMulAdd(four, d[1], d[3]);
    const vf even_of_2 = hn::Sub(d[4], d[2]), half_odd = hn::Sub(d[3], d[1]), odd_of_2 = hn::Add(half_odd, half_odd);
    o[0] = hn::MulAdd(four, d[0], hn::NegMulAdd(five, d[2], d[4]));
    o[1] = hn::Add(even, odd);
    o[2] = hn::Sub(even, odd);
    o[3] = hn::Add(even_of_2, odd_of_2);
    o[4] = hn::Sub(even_of_2, odd_of_2);
    o[5] = hn::MulAdd(four, d[1], hn::NegMulAdd(five, d[3], d[5]));
}

// A' of the paper: six numbers to four.
HWY_INLINE void transform_out(const vf (&d)[6], vf (&o)[4]) {
    const vf sum = hn::Add(d[1], d[2]), difference = hn::Sub(d[1], d[2]);
    const vf sum_of_2 = hn::Add(d[3], d[4]), difference_of_2 = hn::Sub(d[3], d[4]);
    o[0] = hn::Add(d[0], hn::Add(sum, sum_of_2));
    o[1] = hn::MulAdd(hn::Set(df, 2.0f), difference_of_2, difference);
    o[2] = hn::MulAdd(hn::Set(df, 4.0f), sum_of_2, sum);
    o[3] = hn::Add(d[5], hn::MulAdd(hn::Set(df, 8.0f), difference_of_2, difference));
}

void winograd_in(const winograd_patch& p) {
    for (int c = 0; c < p.channels; c += lanes) {
        vf columns[6][6];
        FACEFLOW_UNROLL
        for (int x = 0; x < 6; ++x) {
            vf d[6], o[6];
            FACEFLOW_UNROLL
            for (int y = 0; y < 6; ++y)
                d[y] = hn::LoadU(df, p.rows[y] + x * p.step + c);
            transform_in(d, o);
            FACEFLOW_UNROLL
            for (int y = 0; y < 6; ++y)
                columns[y][x] = o[y];
        }
        float* to = p.out + c;
        FACEFLOW_UNROLL
        for (int y = 0; y < 6; ++y) {
            vf o[6];
            transform_in(columns[y], o);
            FACEFLOW_UNROLL
            for (int x = 0; x < 6; ++x) {
                hn::StoreU(o[x], df, to);
                to += p.out_step;
            }
        }
    }
}

HWY_INLINE vf activate(const winograd_result& r, vf v, int c) {
    if (r.act == activation_kind::relu) return hn::Max(v, hn::Zero(df));
    if (r.act == activation_kind::prelu)
        return hn::IfThenElse(hn::Lt(v, hn::Zero(df)), hn::Mul(v, hn::LoadU(df, r.slopes + c)), v);
    return v;
}

void winograd_out(const winograd_result& r) {
    for (int c = 0; c < r.stored; c += lanes) {
        vf rows[4][6];
        FACEFLOW_UNROLL
        for (int x = 0; x < 6; ++x) {
            vf d[6], o[4];
            FACEFLOW_UNROLL
            for (int y = 0; y < 6; ++y)
                d[y] = hn::LoadU(df, r.in + (y * 6 + x) * r.in_step + c);
            transform_out(d, o);
            FACEFLOW_UNROLL
            for (int y = 0; y < 4; ++y)
                rows[y][x] = o[y];
        }
        const vf bias = hn::LoadU(df, r.bias + c);
        const int left = r.stored - c;
        FACEFLOW_UNROLL
        for (int y = 0; y < 4; ++y) {
            if (y >= r.height) continue;
            vf o[4];
            transform_out(rows[y], o);
            FACEFLOW_UNROLL
            for (int x = 0; x < 4; ++x) {
                if (x >= r.width) continue;
                const vf v = activate(r, hn::Add(o[x], bias), c);
                float* const to = r.out + y * r.row_step + x * r.step + c;
                if (left >= lanes) {
                    hn::StoreU(v, df, to);
                } else {
                    store_first(v, to, left);
                }
            }
        }
    }
}

void fill(kernel_set& set) {
    set.winograd_in = &winograd_in;
    set.winograd_out = &winograd_out;
}

}  // namespace
void fill_winograd(kernel_set& set) {
    fill(set);
}
}  // namespace faceflow::internal::inference::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace faceflow::internal::inference::cpu {
HWY_EXPORT(fill_winograd);
void add_winograd(kernel_set& to) {
    HWY_DYNAMIC_DISPATCH(fill_winograd)(to);
}
}  // namespace faceflow::internal::inference::cpu
#endif  // HWY_ONCE
