// Marks functions that run on the host and, when nvcc compiles them, in kernels too.
#pragma once

#ifdef __CUDACC__
#define FACEFLOW_HD __host__ __device__
#else
#define FACEFLOW_HD
#endif
