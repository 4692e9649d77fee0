#include "inference/network.hpp"
#ifdef FACEFLOW_CUDA
#include "inference/cuda/native_network.hpp"
#endif

namespace faceflow::inference {

result<std::shared_ptr<network>> make_native_network([[maybe_unused]] device& on,
                                                     [[maybe_unused]] const std::filesystem::path& model,
                                                     [[maybe_unused]] std::string_view model_sha256) {
#ifdef FACEFLOW_CUDA
    if (on.kind() == device_kind::cuda) return make_cuda_network(on, model, model_sha256);
#endif
    return fail(errc::unsupported, "faceflow's own kernels are for CUDA devices");
}

}  // namespace faceflow::inference
