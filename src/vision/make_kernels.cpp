// SPDX-License-Identifier: Apache-2.0
#include "vision/kernels.hpp"
#ifdef FACEFLOW_CUDA
#include "vision/cuda/cuda_kernels.hpp"
#endif

namespace faceflow::internal::vision {

std::unique_ptr<kernels> make_kernels(device& d) {
#ifdef FACEFLOW_CUDA
    if (d.kind() == device_kind::cuda) return make_cuda_kernels();
#endif
    return make_host_kernels(d);
}

}  // namespace faceflow::internal::vision
