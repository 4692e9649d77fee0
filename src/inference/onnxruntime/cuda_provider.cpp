// SPDX-License-Identifier: Apache-2.0
#include "inference/onnxruntime/cuda_provider.hpp"

#include <fmt/format.h>
#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <unordered_map>

#include "core/try.hpp"
#include "inference/onnxruntime/library.hpp"

namespace faceflow::internal::inference {
namespace {

namespace fs = std::filesystem;

tl::unexpected<error> no_cuda(const std::string& what) {
    return fail(errc::unavailable, "models cannot run on CUDA: " + what);
}

// Deterministic runs: no CUDA graphs, no search that takes longer than it saves, and the CPU's precision unless another
// is requested.
std::unordered_map<std::string, std::string> provider_options(int index, bool tf32) {
    return {{"device_id", std::to_string(index)},
            {"arena_extend_strategy", "kSameAsRequested"},
            {"cudnn_conv_algo_search", "HEURISTIC"},
            {"cudnn_conv_use_max_workspace", "0"},  // at most 32 MiB: the pool has other users
            {"do_copy_in_default_stream", "1"},
            {"enable_cuda_graph", "0"},
            {"use_tf32", tf32 ? "1" : "0"}};
}

result<Ort::CUDAProviderOptions> made_options(int index, bool tf32) {
    try {
        Ort::CUDAProviderOptions options;
        options.Update(provider_options(index, tf32));  // the first call loads the provider
        return options;
    } catch (const std::exception& e) {
        return no_cuda(
            fmt::format("{}; the libraries it needs are those of CUDA 13 (cudart, cublas, cublasLt, curand) and "
                        "cuDNN 9: install them, or put their folders on LD_LIBRARY_PATH",
                        e.what()));
    }
}

}  // namespace

result<void> load_cuda_provider() {
    const auto providers = Ort::GetAvailableProviders();
    if (std::find(providers.begin(), providers.end(), cuda_provider_name) == providers.end()) {
        return no_cuda(
            fmt::format("the ONNX Runtime in {} is built for CPUs only; `make setup GPU=1` fetches one with CUDA, "
                        "then configure and build anew",
                        library_folder().string()));
    }
    for (const char* library : {"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"}) {
        std::error_code unseen;
        if (const fs::path wanted = library_folder() / library; !fs::exists(wanted, unseen))
            return no_cuda(fmt::format("{} is missing; `make setup GPU=1` fetches it", wanted.string()));
    }
    FACEFLOW_ASSIGN(const auto options, made_options(0, false));
    return {};
}

result<void> append_cuda_provider(Ort::SessionOptions& options, const stream& home, bool tf32) {
    FACEFLOW_ASSIGN(auto provider, made_options(home.owner().index(), tf32));
    // Set last: an update by names starts from the defaults.
    provider.UpdateWithValue("user_compute_stream", home.handle());
    options.AppendExecutionProvider_CUDA_V2(*provider);
    // This optimizer combines slices of one tensor to a Split, and on CUDA a Split into parts of different sizes copies
    // tables from the host in every run, which no ledger counts.
    options.AddConfigEntry(kOrtSessionOptionsDisableSpecifiedOptimizers, "GatherSliceToSplitFusion");
    return {};
}

Ort::MemoryInfo cuda_memory(int index) {
    return {"Cuda", OrtDeviceAllocator, index, OrtMemTypeDefault};
}

}  // namespace faceflow::internal::inference
