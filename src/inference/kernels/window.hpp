// SPDX-License-Identifier: Apache-2.0
// Windows of the input in shared memory, and their convolution: pixels are four halves, red, green, blue and one with
// zero weight. A product takes 16 inputs at a time, which are four taps; the last tap is followed by empty ones.
#pragma once

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

constexpr int pixel_halves = 4;
constexpr int first_steps_of(int kernel) {  // of 16 inputs: taps of 4
    return (kernel * kernel + 3) / 4;
}
constexpr int first_steps = first_steps_of(3);

// Loads `Rows` x `Columns` pixels from row y0 and column x0 on, zero outside the picture. In pairs: x0, Columns and the
// width must be even. Wait with wait_for_copies.
template <int Rows, int Columns, int Threads>
FACEFLOW_DEVICE void load_window(half* window, const half* picture, int y0, int x0, int height, int width) {
    static_assert(Columns % 2 == 0);
    constexpr int pairs = Columns / 2;
    for (int i = thread(); i < Rows * pairs; i += Threads) {
        const int y = y0 + i / pairs, x = x0 + i % pairs * 2;
        const bool there = y >= 0 && y < height && x >= 0 && x < width;
        const half* const from = there ? picture + (static_cast<std::size_t>(y) * width + x) * pixel_halves : picture;
        copy_async_if(there, reinterpret_cast<half8*>(window) + i, reinterpret_cast<const half8*>(from));
    }
}

// Adds the convolution of two of 16 pixels: those whose windows begin at at[0] and at[1], in rows of `columns` pixels.
template <int Kernel = 3>
FACEFLOW_DEVICE void convolve_window(tile_sums& sums, int columns, const half* const (&at)[2],
                                     const half8 (&weights)[first_steps_of(Kernel)], int quarter) {
    FACEFLOW_UNROLL
    for (int s = 0; s < first_steps_of(Kernel); ++s) {
        half2 a[4];
        FACEFLOW_UNROLL
        for (int k = 0; k < 4; ++k) {  // one pixel, then the other; then both again, eight inputs (two taps) further
            const int tap = s * 4 + quarter / 2 + k / 2 * 2;
            const half* const from =
                at[k % 2] + (tap / Kernel * columns + tap % Kernel) * pixel_halves + quarter % 2 * 2;
            a[k] = tap < Kernel * Kernel ? load(reinterpret_cast<const half2*>(from)) : half2{0};
        }
        multiply(sums, a, weights[s]);
    }
}

}  // namespace faceflow::internal::inference::kernels
