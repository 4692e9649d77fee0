// SPDX-License-Identifier: Apache-2.0
// What kernels need of CUDA, in two ways: by nvcc as it is, and by any other compiler as an emulation on the CPU
// (tests), which runs the same sources without CUDA's headers. Kernels are structs whose run() is one thread's work;
// they use nothing else of the machine than what is here.
//
// Types look the same to both compilers, so that a struct of parameters may be filled by the one and read by the other.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define FACEFLOW_DEVICE __device__ __forceinline__
// Before a loop whose arrays are to be registers.
#define FACEFLOW_UNROLL _Pragma("unroll")
#define FACEFLOW_UNROLL_4 _Pragma("unroll 4")
#define FACEFLOW_NO_UNROLL _Pragma("unroll 1")
#else
#define FACEFLOW_DEVICE inline
#define FACEFLOW_UNROLL
#define FACEFLOW_UNROLL_4
#define FACEFLOW_NO_UNROLL
#endif

namespace faceflow::inference::kernels {

// A number of 16 bits where it lies in memory.
struct half {
    std::uint16_t bits;
};

// Two halves in a register, the first in the lower bits; then four and eight of them, loaded and stored in one go.
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

}  // namespace faceflow::inference::kernels

#ifdef __CUDACC__
#include "inference/kernels/simt_cuda.hpp"
#else
#include "inference/kernels/simt_emulated.hpp"
#endif
