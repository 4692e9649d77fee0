// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_probe.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "device/cuda/cuda_error.hpp"

namespace faceflow::internal {
namespace {

std::string version(int number) {
    return fmt::format("{}.{}", number / 1000, number % 1000 / 10);
}

std::string no_device(const cuda_answer& answer) {
    if (answer.visible) {
        return fmt::format(
            "no CUDA device is visible: CUDA_VISIBLE_DEVICES is '{}'; unset it, or name devices that "
            "nvidia-smi -L lists",
            *answer.visible);
    }
    return "there is an NVIDIA driver, but no CUDA device; nvidia-smi -L lists what the driver sees (in a container, "
           "devices must be passed in)";
}

}  // namespace

cuda_answer ask_cuda() {
    cuda_answer answer;
    answer.built_for = CUDART_VERSION;
    if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) answer.visible = visible;
    if (cudaDriverGetVersion(&answer.driver) != cudaSuccess) answer.driver = 0;
    answer.status = cudaGetDeviceCount(&answer.count);
    if (answer.status != cudaSuccess) answer.count = 0;
    forget_last_error();
    return answer;
}

result<int> device_count(const cuda_answer& answer) {
    const auto status = static_cast<cudaError_t>(answer.status);
    if (status == cudaSuccess && answer.count > 0) return answer.count;
    // Without a driver, the runtime reports that the driver is too old.
    if (answer.driver == 0) {
        return fail(errc::unavailable,
                    "no CUDA device: this machine has no NVIDIA driver (libcuda.so.1); install one, "
                    "or use --device cpu or emulated");
    }
    if (status == cudaErrorInsufficientDriver) {
        return fail(errc::unavailable,
                    fmt::format("no CUDA device: the NVIDIA driver serves CUDA up to {}, and this program is built for "
                                "{}; update the driver, or build with an older CUDA toolkit",
                                version(answer.driver), version(answer.built_for)));
    }
    if (status == cudaSuccess || status == cudaErrorNoDevice) return fail(errc::unavailable, no_device(answer));
    return fail(errc::unavailable, "no CUDA device: " + cuda_error(status, "cudaGetDeviceCount").message);
}

std::vector<gpu_card> ask_cuda_cards() {
    std::vector<gpu_card> cards;
    const int count = ask_cuda().count;
    for (int i = 0; i < count; ++i) {
        cudaDeviceProp properties{};
        if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) {
            forget_last_error();
            continue;
        }
        gpu_card card{i, properties.name, properties.major, properties.minor};
        card.memory_pools = device_attribute(cudaDevAttrMemoryPoolsSupported, i) != 0;
        card.exports_memory = exports_descriptors(i);
        switch (device_attribute(cudaDevAttrComputeMode, i)) {
            case cudaComputeModeExclusive:
            case cudaComputeModeExclusiveProcess: card.compute_mode = gpu_card::mode::exclusive; break;
            case cudaComputeModeProhibited: card.compute_mode = gpu_card::mode::prohibited; break;
            default: break;
        }
        cards.push_back(std::move(card));
    }
    return cards;
}

std::string cuda_cards_compiled_for() {
    return FACEFLOW_CUDA_ARCHITECTURES;
}

}  // namespace faceflow::internal
