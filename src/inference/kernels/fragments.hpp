// SPDX-License-Identifier: Apache-2.0
// Arithmetic shared by the kernels. Maps are halves, rows x columns x channels, with channels in multiples of 16;
// products process 16 channels at a time on tensor cores, with sums in float.
//
// Weights of a product are stored in the order in which threads need them (packing.hpp): for each 16 outputs and 16
// inputs, each of a warp's 32 threads has 16 bytes. Outputs are permuted so that thread t's sums are of four adjacent
// channels: those from 4 * (t % 4) on, of pixels t / 4 and t / 4 + 8.
#pragma once

#include "inference/kernels/simt.hpp"

namespace faceflow::internal::inference::kernels {

constexpr int warp_threads = 32;
constexpr int channel_step = 16;

constexpr int divide_up(int a, int b) {
    return (a + b - 1) / b;
}
constexpr int round_up(int a, int to) {
    return divide_up(a, to) * to;
}
constexpr int larger_of(int a, int b) {
    return a > b ? a : b;
}
constexpr int smaller_of(int a, int b) {
    return a < b ? a : b;
}

FACEFLOW_DEVICE half4 load4(const half* from) {
    return load(reinterpret_cast<const half4*>(from));
}
FACEFLOW_DEVICE half8 load8(const half* from) {
    return load(reinterpret_cast<const half8*>(from));
}
FACEFLOW_DEVICE void store4(half* to, half4 v) {
    store(reinterpret_cast<half4*>(to), v);
}
FACEFLOW_DEVICE void store8(half* to, half8 v) {
    store(reinterpret_cast<half8*>(to), v);
}
FACEFLOW_DEVICE half8 weights8(const half* from) {
    return load_constant(reinterpret_cast<const half8*>(from));
}
FACEFLOW_DEVICE float4 weights4(const float* from) {
    return load_constant(reinterpret_cast<const float4*>(from));
}

FACEFLOW_DEVICE half8 multiply_add(half8 a, half8 b, half8 c) {
    return {multiply_add(a.x, b.x, c.x), multiply_add(a.y, b.y, c.y), multiply_add(a.z, b.z, c.z),
            multiply_add(a.w, b.w, c.w)};
}
FACEFLOW_DEVICE half4 multiply_add(half4 a, half4 b, half4 c) {
    return {multiply_add(a.x, b.x, c.x), multiply_add(a.y, b.y, c.y)};
}
FACEFLOW_DEVICE half4 add(half4 a, half4 b) {
    return {add(a.x, b.x), add(a.y, b.y)};
}
FACEFLOW_DEVICE half4 larger(half4 a, half4 b) {
    return {larger(a.x, b.x), larger(a.y, b.y)};
}
FACEFLOW_DEVICE half8 larger(half8 a, half8 b) {
    return {larger(a.x, b.x), larger(a.y, b.y), larger(a.z, b.z), larger(a.w, b.w)};
}
FACEFLOW_DEVICE half2 relu(half2 v) {
    return larger(v, half2{0});
}
FACEFLOW_DEVICE half4 relu(half4 v) {
    return {relu(v.x), relu(v.y)};
}
FACEFLOW_DEVICE half8 relu(half8 v) {
    return {relu(v.x), relu(v.y), relu(v.z), relu(v.w)};
}
// With slopes of 0 it is ReLU, with slopes of 1 the identity.
FACEFLOW_DEVICE half2 prelu(half2 v, half2 slope) {
    return multiply_add(smaller(v, half2{0}), slope, larger(v, half2{0}));
}
FACEFLOW_DEVICE half4 prelu(half4 v, half4 slope) {
    return {prelu(v.x, slope.x), prelu(v.y, slope.y)};
}
FACEFLOW_DEVICE half4 to_halves(float4 v) {
    return {pack(v.x, v.y), pack(v.z, v.w)};
}
FACEFLOW_DEVICE half8 to_halves(float4 a, float4 b) {
    return {pack(a.x, a.y), pack(a.z, a.w), pack(b.x, b.y), pack(b.z, b.w)};
}
FACEFLOW_DEVICE half8 bias8(const float* from) {
    return to_halves(weights4(from), weights4(from + 4));
}
FACEFLOW_DEVICE void to_floats(half8 v, float (&f)[8]) {
    f[0] = first_of(v.x);
    f[1] = second_of(v.x);
    f[2] = first_of(v.y);
    f[3] = second_of(v.y);
    f[4] = first_of(v.z);
    f[5] = second_of(v.z);
    f[6] = first_of(v.w);
    f[7] = second_of(v.w);
}
FACEFLOW_DEVICE void to_floats(half4 v, float (&f)[4]) {
    f[0] = first_of(v.x);
    f[1] = second_of(v.x);
    f[2] = first_of(v.y);
    f[3] = second_of(v.y);
}

// A thread's share of 16 pixels x 16 channels.
struct tile_sums {
    float v[8];
};
FACEFLOW_DEVICE tile_sums begin_sums(float4 bias) {
    return {{bias.x, bias.y, bias.x, bias.y, bias.z, bias.w, bias.z, bias.w}};
}
FACEFLOW_DEVICE void multiply(tile_sums& sums, const half2 (&pixels)[4], half8 weights) {
    multiply(sums.v, pixels, weights.x, weights.y);
    multiply(sums.v + 4, pixels, weights.z, weights.w);
}
// For the first (0) or second (1) of the thread's pixels.
FACEFLOW_DEVICE half4 channels_of(const tile_sums& sums, int second) {
    return {pack(sums.v[second * 2], sums.v[second * 2 + 1]), pack(sums.v[4 + second * 2], sums.v[5 + second * 2])};
}
FACEFLOW_DEVICE float4 floats_of(const tile_sums& sums, int second) {
    return {sums.v[second * 2], sums.v[second * 2 + 1], sums.v[4 + second * 2], sums.v[5 + second * 2]};
}

// A thread's position in its warp, for fragments.
struct place {
    int warp, lane;
    int row;      // of 8; and row + 8
    int quarter;  // of 4 channels, or of two pairs
};
FACEFLOW_DEVICE place my_place() {
    const int t = thread(), lane = t % warp_threads;
    return {t / warp_threads, lane, lane / 4, lane % 4};
}
// The address of thread `lane`'s row for load_matrices: of 16 pixels, `stride` halves apart, and 16 channels.
FACEFLOW_DEVICE const half* matrix_row(const half* pixels, int stride, int lane) {
    return pixels + lane % 16 * stride + lane / 16 * 8;
}

}  // namespace faceflow::internal::inference::kernels
