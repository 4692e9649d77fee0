// SPDX-License-Identifier: Apache-2.0
// Marks functions that run on the host and, when nvcc compiles them, in kernels too.
#pragma once

#ifdef __CUDACC__
#define FACEFLOW_HD __host__ __device__
#else
#define FACEFLOW_HD
#endif

// Put it before a loop that a GPU must unroll, so that an array indexed by the loop stays in registers.
#ifdef __CUDA_ARCH__
#define FACEFLOW_UNROLL _Pragma("unroll")
#else
#define FACEFLOW_UNROLL
#endif
