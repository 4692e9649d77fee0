// SPDX-License-Identifier: Apache-2.0
// The parts of CUDA that kernels use, in two implementations: nvcc's own, and for any other compiler an emulation on
// the CPU (tests), which runs the same sources without CUDA headers. Kernels are structs whose run() is one thread's
// work; they use no other machine features than those here.
//
// Types have the same layout for both compilers, so that one can fill a struct of parameters that the other reads.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define FACEFLOW_DEVICE __device__ __forceinline__
// Put it before a loop whose arrays must be in registers.
#define FACEFLOW_UNROLL _Pragma("unroll")
#define FACEFLOW_UNROLL_4 _Pragma("unroll 4")
#define FACEFLOW_NO_UNROLL _Pragma("unroll 1")
#else
#define FACEFLOW_DEVICE inline
#define FACEFLOW_UNROLL
#define FACEFLOW_UNROLL_4
#define FACEFLOW_NO_UNROLL
#endif

namespace faceflow::internal::inference::kernels {

// A 16-bit number in memory.
struct half {
    std::uint16_t bits;
};

// Two halves in a register, the first in the lower bits; then four and eight of them, loaded and stored at once.
using half2 = std::uint32_t;
struct alignas(8) half4 {
    half2 x, y;
};
struct alignas(16) half8 {
    half2 x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

}  // namespace faceflow::internal::inference::kernels

#ifdef __CUDACC__
#include "inference/kernels/simt_cuda.hpp"
#else
#include "inference/kernels/simt_emulated.hpp"
#endif
