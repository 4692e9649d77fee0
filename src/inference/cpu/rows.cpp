// SPDX-License-Identifier: Apache-2.0
// Kernels on rows of pixels before, or beside, a product.
#include <algorithm>

#include "inference/cpu/fill_kernels.hpp"

// The rest of the file is included again for every instruction set, hence the toggling guards.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "inference/cpu/rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "inference/cpu/vectors.inc"

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::inference::cpu::HWY_NAMESPACE {
namespace {

// ---- depthwise --------------------------------------------------------------------------------------------------

struct taps {
    vf weight[9], bias;
};

HWY_INLINE void finish(const depthwise_row& d, vf sum, float* to) {
    hn::StoreU(d.relu ? hn::Max(sum, hn::Zero(df)) : sum, df, to);
}

// Output x only, from the pixels inside the map: 3 ky + kx in the order of run_inside.
HWY_INLINE void at_edge(const depthwise_row& d, const taps& t, int x, int c) {
    vf sum = t.bias;
    for (int ky = 0; ky < 3; ++ky) {
        for (int kx = 0; kx < 3; ++kx) {
            const int at = x * d.stride - d.pad + kx;
            if (at < 0 || at >= d.width) continue;
            const vf in = hn::LoadU(df, d.rows[ky] + std::ptrdiff_t{at} * d.channels + c);
            sum = hn::MulAdd(in, t.weight[3 * ky + kx], sum);
        }
    }
    finish(d, sum, d.out + std::ptrdiff_t{x} * d.channels + c);
}

// X outputs from output x on, with all pixels inside the map; each pixel is loaded once.
template <int X, int Stride>
HWY_INLINE void run_inside(const depthwise_row& d, const taps& t, int x, int c) {
    vf sum[X];
    FACEFLOW_UNROLL
    for (int i = 0; i < X; ++i)
        sum[i] = t.bias;
    const std::ptrdiff_t from = (std::ptrdiff_t{x} * Stride - d.pad) * d.channels + c;
    FACEFLOW_UNROLL
    for (int ky = 0; ky < 3; ++ky) {
        const float* const row = d.rows[ky] + from;
        FACEFLOW_UNROLL
        for (int j = 0; j < (X - 1) * Stride + 3; ++j) {
            const vf in = hn::LoadU(df, row + std::ptrdiff_t{j} * d.channels);
            FACEFLOW_UNROLL
            for (int i = 0; i < X; ++i) {
                const int kx = j - i * Stride;
                if (kx >= 0 && kx < 3) sum[i] = hn::MulAdd(in, t.weight[3 * ky + kx], sum[i]);
            }
        }
    }
    FACEFLOW_UNROLL
    for (int i = 0; i < X; ++i)
        finish(d, sum[i], d.out + std::ptrdiff_t{x + i} * d.channels + c);
}

template <int Stride>
void depthwise_of(const depthwise_row& d) {
    constexpr int at_once = 4;
    const int inside = std::min(d.outputs, (d.pad + Stride - 1) / Stride);
    const int room = d.width - 3 + d.pad;
    const int last = room < 0 ? inside : std::max(inside, std::min(d.outputs, room / Stride + 1));
    for (int c = 0; c < d.channels; c += lanes) {
        taps t;
        t.bias = hn::LoadU(df, d.bias + c);
        FACEFLOW_UNROLL
        for (int i = 0; i < 9; ++i)
            t.weight[i] = hn::LoadU(df, d.weights + i * d.channels + c);
        int x = 0;
        for (; x < inside; ++x)
            at_edge(d, t, x, c);
        for (; x + at_once <= last; x += at_once)
            run_inside<at_once, Stride>(d, t, x, c);
        for (; x < last; ++x)
            run_inside<1, Stride>(d, t, x, c);
        for (; x < d.outputs; ++x)
            at_edge(d, t, x, c);
    }
}

void depthwise(const depthwise_row& d) {
    if (d.stride == 1) {
        depthwise_of<1>(d);
    } else {
        depthwise_of<2>(d);
    }
}

// ---- rows of joined maps ----------------------------------------------------------------------------------------

void pool(const float* upper, const float* lower, std::int32_t pixels, std::int32_t channels, float* out) {
    for (std::ptrdiff_t x = 0; x < pixels; ++x) {
        for (int c = 0; c < channels; c += lanes) {
            const float* const a = upper + 2 * x * channels + c;
            const float* const b = lower + 2 * x * channels + c;
            const vf above = hn::Max(hn::LoadU(df, a), hn::LoadU(df, a + channels));
            const vf below = hn::Max(hn::LoadU(df, b), hn::LoadU(df, b + channels));
            hn::StoreU(hn::Max(above, below), df, out + x * channels + c);
        }
    }
}

void repeat(const float* in, std::int32_t pixels, std::int32_t channels, float* out) {
    for (std::ptrdiff_t x = 0; x < pixels; ++x) {
        for (int c = 0; c < channels; c += lanes) {
            const vf v = hn::LoadU(df, in + x * channels + c);
            hn::StoreU(v, df, out + 2 * x * channels + c);
            hn::StoreU(v, df, out + (2 * x + 1) * channels + c);
        }
    }
}

HWY_INLINE vf between(vf near, vf far) {
    return hn::MulAdd(near, hn::Set(df, 0.75f), hn::Mul(far, hn::Set(df, 0.25f)));
}

void smooth(const float* near, const float* far, std::int32_t pixels, std::int32_t channels, float* out) {
    for (int c = 0; c < channels; c += lanes) {
        const float *const a = near + c, *const b = far + c;
        vf before = between(hn::LoadU(df, a), hn::LoadU(df, b)), here = before;
        for (std::ptrdiff_t x = 0; x < pixels; ++x) {
            const std::ptrdiff_t next = std::min<std::ptrdiff_t>(x + 1, pixels - 1) * channels;
            const vf after = between(hn::LoadU(df, a + next), hn::LoadU(df, b + next));
            hn::StoreU(between(here, before), df, out + 2 * x * channels + c);
            hn::StoreU(between(here, after), df, out + (2 * x + 1) * channels + c);
            before = here;
            here = after;
        }
    }
}

void interleave(const float* const* planes, std::int32_t pixels, std::ptrdiff_t step, float* out) {
    std::int32_t x = 0;
    if (step == 3) {
        for (; x + lanes <= pixels; x += lanes) {
            hn::StoreInterleaved3(hn::LoadU(df, planes[0] + x), hn::LoadU(df, planes[1] + x),
                                  hn::LoadU(df, planes[2] + x), df, out + x * step);
        }
    }
    for (; x < pixels; ++x)
        for (int c = 0; c < 3; ++c)
            out[x * step + c] = planes[c][x];
}

void fill(kernel_set& set) {
    set.depthwise = &depthwise;
    set.pool = &pool;
    set.repeat = &repeat;
    set.smooth = &smooth;
    set.interleave = &interleave;
}

}  // namespace
void fill_rows(kernel_set& set) {
    fill(set);
}
}  // namespace faceflow::internal::inference::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace faceflow::internal::inference::cpu {
HWY_EXPORT(fill_rows);
void add_rows(kernel_set& to) {
    HWY_DYNAMIC_DISPATCH(fill_rows)(to);
}
}  // namespace faceflow::internal::inference::cpu
#endif  // HWY_ONCE
