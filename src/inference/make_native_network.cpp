// SPDX-License-Identifier: Apache-2.0
#include "inference/network.hpp"

#include "inference/cpu/cpu_network.hpp"
#ifdef FACEFLOW_CUDA
#include "inference/cuda/native_network.hpp"
#endif

namespace faceflow::internal::inference {

result<std::shared_ptr<network>> make_native_network(device& d, const std::filesystem::path& model,
                                                     std::string_view model_sha256, [[maybe_unused]] threading how,
                                                     [[maybe_unused]] host_precision on_host) {
    if (d.computes_on_host()) return make_cpu_network(model, model_sha256, how, on_host);
#ifdef FACEFLOW_CUDA
    if (d.kind() == device_kind::cuda) return make_cuda_network(d, model, model_sha256);
#endif
    return fail(errc::unsupported, "this build has no kernels for a CUDA device");
}

}  // namespace faceflow::internal::inference
