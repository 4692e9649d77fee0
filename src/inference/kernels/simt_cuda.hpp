// SPDX-License-Identifier: Apache-2.0
// simt.hpp for nvcc, with fallbacks for missing features: Turing copies through registers and multiplies in two halves.
#pragma once

#include <cuda_fp16.h>

#include "inference/kernels/simt.hpp"

namespace faceflow::internal::inference::kernels {

// The position in the grid. A block has one dimension of threads, a grid two of blocks.
FACEFLOW_DEVICE int thread() {
    return static_cast<int>(threadIdx.x);
}
FACEFLOW_DEVICE int block_x() {
    return static_cast<int>(blockIdx.x);
}
FACEFLOW_DEVICE int block_y() {
    return static_cast<int>(blockIdx.y);
}
FACEFLOW_DEVICE int blocks_x() {
    return static_cast<int>(gridDim.x);
}

// The block's shared memory, of the size given at launch.
FACEFLOW_DEVICE std::byte* shared_memory() {
    extern __shared__ uint4 faceflow_shared[];
    return reinterpret_cast<std::byte*>(faceflow_shared);
}
FACEFLOW_DEVICE void barrier() {
    __syncthreads();
}

// Loads and stores use the widest words available.
FACEFLOW_DEVICE half8 load(const half8* from) {
    const uint4 v = *reinterpret_cast<const uint4*>(from);
    return {v.x, v.y, v.z, v.w};
}
FACEFLOW_DEVICE half4 load(const half4* from) {
    const uint2 v = *reinterpret_cast<const uint2*>(from);
    return {v.x, v.y};
}
FACEFLOW_DEVICE half2 load(const half2* from) {
    return *from;
}
FACEFLOW_DEVICE float4 load(const float4* from) {
    const ::float4 v = *reinterpret_cast<const ::float4*>(from);
    return {v.x, v.y, v.z, v.w};
}
FACEFLOW_DEVICE float load(const float* from) {
    return *from;
}
// For data that no kernel writes: weights.
FACEFLOW_DEVICE half8 load_constant(const half8* from) {
    const uint4 v = __ldg(reinterpret_cast<const uint4*>(from));
    return {v.x, v.y, v.z, v.w};
}
FACEFLOW_DEVICE half4 load_constant(const half4* from) {
    const uint2 v = __ldg(reinterpret_cast<const uint2*>(from));
    return {v.x, v.y};
}
FACEFLOW_DEVICE float4 load_constant(const float4* from) {
    const ::float4 v = __ldg(reinterpret_cast<const ::float4*>(from));
    return {v.x, v.y, v.z, v.w};
}
FACEFLOW_DEVICE float load_constant(const float* from) {
    return __ldg(from);
}
FACEFLOW_DEVICE std::int32_t load_constant(const std::int32_t* from) {
    return __ldg(from);
}
FACEFLOW_DEVICE void store(half8* to, half8 v) {
    *reinterpret_cast<uint4*>(to) = {v.x, v.y, v.z, v.w};
}
FACEFLOW_DEVICE void store(half4* to, half4 v) {
    *reinterpret_cast<uint2*>(to) = {v.x, v.y};
}
FACEFLOW_DEVICE void store(float4* to, float4 v) {
    *reinterpret_cast<::float4*>(to) = {v.x, v.y, v.z, v.w};
}
FACEFLOW_DEVICE void store(float* to, float v) {
    *to = v;
}

FACEFLOW_DEVICE unsigned shared_address(const void* of) {
    return static_cast<unsigned>(__cvta_generic_to_shared(of));
}

// Asynchronous copies: a thread starts them and later waits for all of its own; other threads see them after a
// subsequent barrier.
FACEFLOW_DEVICE void copy_async(half8* to_shared, const half8* from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to_shared)), "l"(from) : "memory");
#else
    store(to_shared, load(from));
#endif
}
// Writes zeros unless `there`; `from` is then not read, but must be a valid address.
FACEFLOW_DEVICE void copy_async_if(bool there, half8* to_shared, const half8* from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to_shared)), "l"(from),
                 "r"(there ? 16 : 0)
                 : "memory");
#else
    store(to_shared, there ? load(from) : half8{0, 0, 0, 0});
#endif
}
FACEFLOW_DEVICE void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// Programmatic dependent launch: a kernel may start before its predecessor has ended, and waits for that and all
// earlier kernels before it first needs what they wrote. No effect before Hopper, or for a launch without the
// attribute.
FACEFLOW_DEVICE void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
FACEFLOW_DEVICE void let_next_kernel_start() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// All threads of a warp together: loads four 8 x 8 matrices of halves; thread t supplies the address of row t % 8 of
// matrix t / 8, and gets from each two halves: those at 2 * (t % 4) of row t / 4.
FACEFLOW_DEVICE void load_matrices(half2 (&to)[4], const half* shared_row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(shared_row)));
}
// sums += a . b for 16 x 16 and 16 x 8 halves, in the fragments of mma.m16n8k16.
FACEFLOW_DEVICE void multiply(float* sums, const half2 (&a)[4], half2 b0, half2 b1) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}
FACEFLOW_DEVICE float exchange_xor(float v, int mask) {
    return __shfl_xor_sync(~0u, v, mask);
}

FACEFLOW_DEVICE __half2 native(half2 v) {
    __half2 h;
    memcpy(&h, &v, 4);
    return h;
}
FACEFLOW_DEVICE half2 packed(__half2 h) {
    half2 v;
    memcpy(&v, &h, 4);
    return v;
}
FACEFLOW_DEVICE half2 pack(float first, float second) {
    return packed(__floats2half2_rn(first, second));
}
FACEFLOW_DEVICE float first_of(half2 v) {
    return __low2float(native(v));
}
FACEFLOW_DEVICE float second_of(half2 v) {
    return __high2float(native(v));
}
// a * b + c, rounded once.
FACEFLOW_DEVICE half2 multiply_add(half2 a, half2 b, half2 c) {
    return packed(__hfma2(native(a), native(b), native(c)));
}
FACEFLOW_DEVICE half2 add(half2 a, half2 b) {
    return packed(__hadd2(native(a), native(b)));
}
FACEFLOW_DEVICE float larger(float a, float b) {
    return fmaxf(a, b);
}
FACEFLOW_DEVICE float smaller(float a, float b) {
    return fminf(a, b);
}
FACEFLOW_DEVICE half2 larger(half2 a, half2 b) {
    return packed(__hmax2(native(a), native(b)));
}
FACEFLOW_DEVICE half2 smaller(half2 a, half2 b) {
    return packed(__hmin2(native(a), native(b)));
}

FACEFLOW_DEVICE float fused_multiply_add(float a, float b, float c) {
    return fmaf(a, b, c);
}
FACEFLOW_DEVICE float square_root(float v) {
    return sqrtf(v);
}
FACEFLOW_DEVICE float exponential(float v) {
    return expf(v);
}

}  // namespace faceflow::internal::inference::kernels
