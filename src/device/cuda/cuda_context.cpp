// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_context.hpp"

#include "core/try.hpp"
#include "device/cuda/cuda_error.hpp"

namespace faceflow::internal {

result<CUcontext> current_context() {
    // The runtime creates its context in the first call that needs one.
    FACEFLOW_TRY(checked(cudaFree(nullptr), "cudaFree"));
    using get_current = CUresult(CUDAAPI*)(CUcontext*);
    const auto call = reinterpret_cast<get_current>(driver_function("cuCtxGetCurrent", 4000));
    CUcontext context = nullptr;
    if (call == nullptr || call(&context) != CUDA_SUCCESS || context == nullptr)
        return fail(errc::unavailable, "the NVIDIA driver does not return this thread's CUDA context");
    return context;
}

}  // namespace faceflow::internal
