// SPDX-License-Identifier: Apache-2.0
// Compiled without fused multiply-add, like the host code: sums round the same way, and only functions of the
// mathematics library differ, by a last bit or two.
#include "vision/cuda/launch.hpp"

#include <type_traits>

namespace faceflow::internal::vision {
namespace {

// The threads of a CUDA block. Its functions also exist for the host, because their callers are compiled for both.
struct cuda_block {
    FACEFLOW_HD int thread() const {
#ifdef __CUDA_ARCH__
        return static_cast<int>(threadIdx.x);
#else
        return 0;
#endif
    }
    FACEFLOW_HD int threads() const {
#ifdef __CUDA_ARCH__
        return static_cast<int>(blockDim.x);
#else
        return 1;
#endif
    }
    FACEFLOW_HD void sync() const {
#ifdef __CUDA_ARCH__
        __syncthreads();
#endif
    }
    FACEFLOW_HD static int add(std::int32_t* counter) {
#ifdef __CUDA_ARCH__
        return atomicAdd(counter, 1);
#else
        return (*counter)++;
#endif
    }
};

constexpr int pixel_threads = tile_runs;
// Enough to keep one block's candidates moving; more would wait for one another at every barrier.
constexpr int detect_threads = 256;
// Four landmarks per thread.
constexpr int face_threads = 128;

// Kernel parameters are read in place, in constant memory, and never copied by a thread.
__global__ void __launch_bounds__(pixel_threads) letterbox_kernel(const __grid_constant__ letterbox_pass pass) {
    letterbox_tile(cuda_block{}, pass, static_cast<std::int32_t>(blockIdx.y), static_cast<std::int32_t>(blockIdx.x));
}

__global__ void __launch_bounds__(pixel_threads) crop_kernel(const __grid_constant__ crop_pass pass) {
    crop_tile(cuda_block{}, pass, static_cast<std::int32_t>(blockIdx.y), static_cast<std::int32_t>(blockIdx.x));
}

__global__ void __launch_bounds__(detect_threads) detect_kernel(const __grid_constant__ detect_pass pass) {
    detect_frame(cuda_block{}, pass, static_cast<std::int32_t>(blockIdx.x));
}

// Two blocks for each face, side by side: while one fits the pose, which one thread does alone, the other measures the
// crop.
__global__ void __launch_bounds__(face_threads) records_kernel(const __grid_constant__ finish_pass pass) {
    __shared__ quality_scratch scratch;
    const auto number = static_cast<std::int32_t>(blockIdx.x);
    if (blockIdx.y == 0) {
        finish_number(cuda_block{}, pass, number);
    } else {
        measure_number(cuda_block{}, pass, number, scratch);
    }
}

__global__ void __launch_bounds__(face_threads) blendshapes_kernel(const __grid_constant__ blendshape_pass pass) {
    put_number(cuda_block{}, pass, static_cast<std::int32_t>(blockIdx.x));
}

__global__ void __launch_bounds__(face_threads) merge_kernel(const __grid_constant__ merge_pass pass) {
    merge_frame(cuda_block{}, pass, static_cast<std::int32_t>(blockIdx.x));
}

__global__ void __launch_bounds__(face_threads)
    propagate_kernel(pass_results before, float min_presence, const __grid_constant__ face_table faces) {
    const auto frame = static_cast<std::int32_t>(blockIdx.x);
    propagate_faces(cuda_block{}, before, frame, min_presence, faces.of[frame]);
}

unsigned count_of(std::int32_t n) {
    return static_cast<unsigned>(n);
}

// Arguments must have exactly the kernel's types: they are passed by address.
template <class... Parameters>
void add(cuda_stream& s, const char* name, void (*kernel)(Parameters...), dim3 blocks, int threads,
         std::type_identity_t<Parameters>... arguments) {
    void* addresses[] = {&arguments...};
    s.add_kernel(name, {reinterpret_cast<const void*>(kernel), blocks, dim3(count_of(threads)), addresses});
}

}  // namespace

void add_letterbox(cuda_stream& s, const letterbox_pass& pass) {
    const dim3 blocks(count_of(tiles_over(pass.target.width, pass.target.height).tiles()), count_of(pass.frames));
    add(s, "the letterbox kernel", letterbox_kernel, blocks, pixel_threads, pass);
}

void add_crop(cuda_stream& s, const crop_pass& pass, std::int32_t capacity) {
    const dim3 blocks(count_of(tiles_over(pass.target.width, pass.target.height).tiles()), count_of(capacity));
    add(s, "the crop kernel", crop_kernel, blocks, pixel_threads, pass);
}

void add_detect(cuda_stream& s, const detect_pass& pass) {
    add(s, "the detect kernel", detect_kernel, dim3(count_of(pass.faces.frames)), detect_threads, pass);
}

void add_finish(cuda_stream& s, const finish_pass& pass) {
    add(s, "the records kernel", records_kernel, dim3(count_of(pass.capacity), 2), face_threads, pass);
}

void add_blendshapes(cuda_stream& s, const blendshape_pass& pass) {
    add(s, "the blendshapes kernel", blendshapes_kernel, dim3(count_of(pass.capacity)), face_threads, pass);
}

void add_merge(cuda_stream& s, const merge_pass& pass) {
    add(s, "the merge kernel", merge_kernel, dim3(count_of(pass.faces.frames)), face_threads, pass);
}

void add_propagate(cuda_stream& s, const pass_results& before, float min_presence, const face_table& faces) {
    add(s, "the propagate kernel", propagate_kernel, dim3(count_of(faces.frames)), face_threads, before, min_presence,
        faces);
}

}  // namespace faceflow::internal::vision
