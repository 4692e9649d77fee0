// The register tile: M pixels by N vectors of outputs, whose sums stay in registers while all inputs pass.
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
namespace faceflow::inference::cpu::HWY_NAMESPACE {
namespace {

// Registers: those of the sums, of N weights, and of an input.
#if HWY_TARGET == HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr int registers = 32, widest_block = 4;
#else
constexpr int registers = 16, widest_block = 2;
#endif
constexpr int most_vectors = 4;
constexpr int most_pixels(int vectors) {
    if (sanitized) return 2;
    return vectors == 1 ? 12 : (registers - 1 - vectors) / vectors;
}
// Of few inputs and outputs a tile is short, so that its end and the beginning of the next overlap.
constexpr int short_product = 32, short_tile = 6;

constexpr int group = 4;  // pixels that one pointer serves

// Sums, begun with biases.
template <int M, int N>
HWY_INLINE void begin(const product& p, int channel, vf (&sum)[M][N]) {
    FACEFLOW_UNROLL
    for (int n = 0; n < N; ++n) {
        const vf b = hn::LoadU(df, p.bias + channel + n * lanes);
        FACEFLOW_UNROLL
        for (int m = 0; m < M; ++m)
            sum[m][n] = b;
    }
}

// One input of each pixel.
template <int M, int N>
HWY_INLINE void step(const float* const (&a)[(M + group - 1) / group], std::ptrdiff_t pixel, int k, const float* w,
                     vf (&sum)[M][N]) {
    vf weight[N];
    FACEFLOW_UNROLL
    for (int n = 0; n < N; ++n)
        weight[n] = hn::LoadU(df, w + n * lanes);
    FACEFLOW_UNROLL
    for (int m = 0; m < M; ++m) {
        const vf input = hn::Set(df, a[m / group][(m % group) * pixel + k]);
        FACEFLOW_UNROLL
        for (int n = 0; n < N; ++n)
            sum[m][n] = hn::MulAdd(input, weight[n], sum[m][n]);
    }
}

template <int M, int N>
HWY_INLINE void add_inputs(const product& p, const float* w, std::ptrdiff_t first, vf (&sum)[M][N]) {
    const std::ptrdiff_t pixel = p.input_step;
    for (int s = 0; s < p.segments; ++s) {
        const float* a[(M + group - 1) / group];
        FACEFLOW_UNROLL
        for (int g = 0; g < (M + group - 1) / group; ++g)
            a[g] = p.inputs[s] + (first + g * group) * pixel;
        int k = p.length;
        if constexpr (!sanitized) {
            for (; k >= 4; k -= 4) {
                step<M, N>(a, pixel, 0, w, sum);
                step<M, N>(a, pixel, 1, w + N * lanes, sum);
                step<M, N>(a, pixel, 2, w + 2 * N * lanes, sum);
                step<M, N>(a, pixel, 3, w + 3 * N * lanes, sum);
                w += 4 * N * lanes;
                FACEFLOW_UNROLL
                for (int g = 0; g < (M + group - 1) / group; ++g)
                    a[g] += 4;
            }
        }
        for (; k > 0; --k) {
            step<M, N>(a, pixel, 0, w, sum);
            w += N * lanes;
            FACEFLOW_UNROLL
            for (int g = 0; g < (M + group - 1) / group; ++g)
                a[g] += 1;
        }
    }
}

template <int M, int N>
HWY_INLINE void add_joined(const product& p, std::ptrdiff_t first, int channel, vf (&sum)[M][N]) {
    FACEFLOW_UNROLL
    for (int n = 0; n < N; ++n) {
        const int c = channel + n * lanes, left = p.joined.channels - c;
        if (left <= 0) continue;
        const float* const from = p.joined.data + first * p.joined.step + c;
        if (left >= lanes) {
            FACEFLOW_UNROLL
            for (int m = 0; m < M; ++m)
                sum[m][n] = hn::Add(sum[m][n], hn::LoadU(df, from + m * p.joined.step));
        } else {
            const auto there = hn::FirstN(df, static_cast<std::size_t>(left));
            FACEFLOW_UNROLL
            for (int m = 0; m < M; ++m)
                sum[m][n] = hn::Add(sum[m][n], hn::IfThenElseZero(there, hn::LoadU(df, from + m * p.joined.step)));
        }
    }
}

template <int M, int N>
HWY_INLINE void activate(const product& p, int channel, vf (&sum)[M][N]) {
    if (p.act == activation_kind::none) return;
    if (p.act == activation_kind::relu) {
        FACEFLOW_UNROLL
        for (int m = 0; m < M; ++m)
            FACEFLOW_UNROLL
        for (int n = 0; n < N; ++n)
            sum[m][n] = hn::Max(sum[m][n], hn::Zero(df));
        return;
    }
    FACEFLOW_UNROLL
    for (int n = 0; n < N; ++n) {
        const vf slope = hn::LoadU(df, p.slopes + channel + n * lanes);
        FACEFLOW_UNROLL
        for (int m = 0; m < M; ++m)
            sum[m][n] = hn::IfThenElse(hn::Lt(sum[m][n], hn::Zero(df)), hn::Mul(sum[m][n], slope), sum[m][n]);
    }
}

template <int M, int N>
HWY_INLINE void store(const product& p, std::ptrdiff_t first, int channel, const vf (&sum)[M][N]) {
    FACEFLOW_UNROLL
    for (int n = 0; n < N; ++n) {
        const int c = channel + n * lanes, left = p.stored - c;
        if (left <= 0) continue;
        float* const to = p.out + first * p.out_step + c;
        if (left >= lanes) {
            FACEFLOW_UNROLL
            for (int m = 0; m < M; ++m)
                hn::StoreU(sum[m][n], df, to + m * p.out_step);
        } else {
            FACEFLOW_UNROLL
            for (int m = 0; m < M; ++m)
                store_first(sum[m][n], to + m * p.out_step, left);
        }
    }
}

template <int M, int N>
HWY_NOINLINE void tile(const product& p, const float* w, std::ptrdiff_t first, int channel) {
    vf sum[M][N];
    begin(p, channel, sum);
    add_inputs(p, w, first, sum);
    const bool joins = p.joined.data != nullptr;
    if (joins && p.joined.first) add_joined(p, first, channel, sum);
    activate(p, channel, sum);
    if (joins && !p.joined.first) add_joined(p, first, channel, sum);
    store(p, first, channel, sum);
}

using tile_function = void (*)(const product&, const float*, std::ptrdiff_t, int);
template <int N, std::size_t... M>
constexpr std::array<tile_function, sizeof...(M)> tiles_of(std::index_sequence<M...> /*pixels*/) {
    return {&tile<static_cast<int>(M) + 1, N>...};
}
template <int N>
constexpr auto tiles = tiles_of<N>(std::make_index_sequence<most_pixels(N)>());

// A block of weights with all pixels, in tiles as equal as can be. How they are cut changes no sum.
template <int N>
void multiply_block(const product& p, const float* w, int channel) {
    int most = most_pixels(N);
    if (N == 1 && p.segments * p.length <= short_product) most = std::min(most, short_tile);
    const int count = (p.pixels + most - 1) / most, small = p.pixels / count, larger = p.pixels % count;
    std::ptrdiff_t at = 0;
    for (int i = 0; i < count; ++i) {
        const int m = small + (i < larger ? 1 : 0);
        tiles<N>[static_cast<std::size_t>(m - 1)](p, w, at, channel);
        at += m;
    }
}

void multiply(const product& p) {
    const int vectors = (p.outputs + lanes - 1) / lanes;
    const float* w = p.weights;
    int channel = 0;
    for (int i = 0; i < block_count(vectors, p.widest); ++i) {
        const int n = block_vectors(vectors, p.widest, i);
        switch (n) {
            case 1: multiply_block<1>(p, w, channel); break;
            case 2: multiply_block<2>(p, w, channel); break;
            case 3: multiply_block<3>(p, w, channel); break;
            default: multiply_block<most_vectors>(p, w, channel); break;
        }
        w += std::ptrdiff_t{n} * lanes * p.segments * p.length;
        channel += n * lanes;
    }
}

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
}  // namespace faceflow::inference::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace faceflow::inference::cpu {
HWY_EXPORT(fill_product);
void add_product(kernel_set& to) {
    HWY_DYNAMIC_DISPATCH(fill_product)(to);
}
}  // namespace faceflow::inference::cpu
#endif  // HWY_ONCE
