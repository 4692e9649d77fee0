// SPDX-License-Identifier: Apache-2.0
// simt.hpp without CUDA: cooperation between threads is done by an emulation that is linked only into tests
// (tests/helpers/simt_emulation.hpp); arithmetic is done here, rounded as on the cards.
#pragma once

#include <cmath>
#include <cstring>

#include "core/half.hpp"
#include "inference/kernels/simt.hpp"

namespace faceflow::internal::inference::kernels {

// simt_cuda.hpp describes these functions.
[[nodiscard]] int thread();
[[nodiscard]] int block_x();
[[nodiscard]] int block_y();
[[nodiscard]] int blocks_x();
[[nodiscard]] std::byte* shared_memory();
void barrier();
void copy_async(half8* to_shared, const half8* from);
void copy_async_if(bool there, half8* to_shared, const half8* from);
void wait_for_copies();
void wait_for_previous_kernel();
void let_next_kernel_start();
void load_matrices(half2 (&to)[4], const half* shared_row);
void multiply(float* sums, const half2 (&a)[4], half2 b0, half2 b1);
[[nodiscard]] float exchange_xor(float v, int mask);

// Requires wide words to be aligned to their size: a card would fault.
void require_aligned(const void* address, std::size_t to);

template <class T>
[[nodiscard]] T load(const T* from) {
    require_aligned(from, alignof(T));
    T v;
    std::memcpy(&v, from, sizeof v);
    return v;
}
template <class T>
[[nodiscard]] T load_constant(const T* from) {
    return load(from);
}
template <class T>
void store(T* to, T v) {
    require_aligned(to, alignof(T));
    std::memcpy(to, &v, sizeof v);
}

[[nodiscard]] inline half2 pack(float first, float second) {
    return half_bits(first) | static_cast<half2>(half_bits(second)) << 16;
}
[[nodiscard]] inline float first_of(half2 v) {
    return float_of_half(static_cast<std::uint16_t>(v));
}
[[nodiscard]] inline float second_of(half2 v) {
    return float_of_half(static_cast<std::uint16_t>(v >> 16));
}
// The product of two halves is exact in a double, and the sum nearly always: the additional rounding to float shows
// once in many thousand.
[[nodiscard]] inline half2 multiply_add(half2 a, half2 b, half2 c) {
    const auto once = [](float x, float y, float z) { return static_cast<float>(static_cast<double>(x) * y + z); };
    return pack(once(first_of(a), first_of(b), first_of(c)), once(second_of(a), second_of(b), second_of(c)));
}
[[nodiscard]] inline half2 add(half2 a, half2 b) {
    return pack(first_of(a) + first_of(b), second_of(a) + second_of(b));
}
// NaN if either is NaN, unlike on a card: reads of uninitialised memory are thus detected.
[[nodiscard]] inline float larger(float a, float b) {
    return a > b || a != a ? a : b;
}
[[nodiscard]] inline float smaller(float a, float b) {
    return a < b || a != a ? a : b;
}
[[nodiscard]] inline half2 larger(half2 a, half2 b) {
    return pack(larger(first_of(a), first_of(b)), larger(second_of(a), second_of(b)));
}
[[nodiscard]] inline half2 smaller(half2 a, half2 b) {
    return pack(smaller(first_of(a), first_of(b)), smaller(second_of(a), second_of(b)));
}

[[nodiscard]] inline float fused_multiply_add(float a, float b, float c) {
    return std::fma(a, b, c);
}
[[nodiscard]] inline float square_root(float v) {
    return std::sqrt(v);
}
[[nodiscard]] inline float exponential(float v) {
    return std::exp(v);
}

}  // namespace faceflow::internal::inference::kernels
