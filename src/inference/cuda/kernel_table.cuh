// The kernels as CUDA functions.
#pragma once

#include "inference/cuda/kernel_table.hpp"
#include "inference/kernels/list.hpp"

namespace faceflow::internal::inference::kernels {

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads) entry(const __grid_constant__ typename Kernel::parameters p) {
    Kernel::run(p);
}

template <class... Kernels>
std::span<const void* const> functions(kernel_list<Kernels...>) {
    static const void* const all[] = {reinterpret_cast<const void*>(&entry<Kernels>)...};
    return all;
}

}  // namespace faceflow::internal::inference::kernels
