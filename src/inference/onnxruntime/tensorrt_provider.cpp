// SPDX-License-Identifier: Apache-2.0
#include "inference/onnxruntime/tensorrt_provider.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/try.hpp"
#include "inference/onnxruntime/cuda_provider.hpp"

namespace faceflow::internal::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view advice =
    "install TensorRT 10 for CUDA 13 (libnvinfer10), or put its folder on LD_LIBRARY_PATH; --inference cuda goes "
    "without";

tl::unexpected<error> no_tensorrt(const std::string& what) {
    return fail(errc::unavailable, fmt::format("TensorRT cannot be used: {}; {}", what, advice));
}

}  // namespace

// Loads the library only to read its version; ONNX Runtime's provider loads it again itself.
result<std::string> tensorrt_version() {
    void* const library = dlopen("libnvinfer.so.10", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* const why = dlerror();
        return no_tensorrt(why != nullptr ? why : "libnvinfer.so.10 does not load");
    }
    using version_call = int (*)();
    const auto ask = reinterpret_cast<version_call>(dlsym(library, "getInferLibVersion"));
    const int number = ask != nullptr ? ask() : 0;
    dlclose(library);
    if (number <= 0) return no_tensorrt("libnvinfer.so.10 does not report its version");
    // 10.13.3 is encoded as 101303.
    return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

result<void> load_tensorrt_provider() {
    const auto providers = Ort::GetAvailableProviders();
    if (std::find(providers.begin(), providers.end(), tensorrt_provider_name) == providers.end())
        return no_tensorrt("this ONNX Runtime has no TensorRT provider (`make setup GPU=1` fetches one that has)");
    FACEFLOW_TRY(tensorrt_version());
    try {
        const Ort::TensorRTProviderOptions options;  // loads the provider
    } catch (const std::exception& e) {
        return no_tensorrt(e.what());
    }
    return {};
}

fs::path engine_folder(const fs::path& base, const engine_key& key) {
    return base / fmt::format("{}-tensorrt{}-{}", key.architecture, key.tensorrt, key.half ? "fp16" : "fp32") /
           fmt::format("{}-{}", key.model_sha256.substr(0, 16), key.profile);
}

std::unordered_map<std::string, std::string> tensorrt_options(const tensorrt_plan& plan, int index) {
    const auto shapes = [&](const std::vector<std::int64_t>& shape) {
        std::string text = plan.input + ":";
        for (std::size_t i = 0; i < shape.size(); ++i)
            text += (i > 0 ? "x" : "") + std::to_string(shape[i]);
        return text;
    };
    return {{"device_id", std::to_string(index)},
            {"trt_fp16_enable", plan.half ? "1" : "0"},
            {"trt_engine_cache_enable", "1"},
            {"trt_engine_cache_path", plan.folder.string()},
            {"trt_timing_cache_enable", "1"},
            {"trt_timing_cache_path", plan.folder.string()},
            {"trt_profile_min_shapes", shapes(plan.smallest)},
            {"trt_profile_opt_shapes", shapes(plan.usual)},
            {"trt_profile_max_shapes", shapes(plan.largest)},
            {"trt_auxiliary_streams", "0"},  // all work on the one stream, in its order
            {"trt_cuda_graph_enable", "0"}};
}

result<void> append_tensorrt_provider(Ort::SessionOptions& options, const stream& home, const tensorrt_plan& plan) {
    std::error_code ec;
    fs::create_directories(plan.folder, ec);
    if (ec) {
        return fail(errc::io, fmt::format("cannot make the folder {} for TensorRT's engines: {}; choose another with "
                                          "--engines",
                                          plan.folder.string(), ec.message()));
    }
    try {
        Ort::TensorRTProviderOptions provider;
        provider.Update(tensorrt_options(plan, home.owner().index()));
        provider.UpdateWithValue("user_compute_stream", home.handle());
        options.AppendExecutionProvider_TensorRT_V2(*provider);
    } catch (const std::exception& e) {
        return no_tensorrt(e.what());
    }
    return {};
}

}  // namespace faceflow::internal::inference
