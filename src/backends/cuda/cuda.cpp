// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <numeric>

#include "backends/cuda_indices.hpp"
#include "backends/open_devices.hpp"
#include "backends/registered.hpp"
#include "core/try.hpp"
#include "device/cuda/cuda_device.hpp"
#include "device/cuda/cuda_probe.hpp"
#include "inference/cuda/native_network.hpp"
#include "media/cuda/nvdec.hpp"
#include "vision/cuda/cuda_kernels.hpp"

namespace faceflow::internal {
namespace {

result<back_end::device_list> open_cuda(const device_request& wanted, std::optional<std::string_view> list) {
    FACEFLOW_ASSIGN(auto indices, parse_cuda_indices(list));
    FACEFLOW_ASSIGN(const auto count, device_count(ask_cuda()));
    if (indices.empty()) {
        indices.resize(static_cast<std::size_t>(count));
        std::iota(indices.begin(), indices.end(), 0);
    }
    back_end::device_list devices;
    for (const int index : indices) {
        if (index >= count) {
            return fail(errc::unavailable,
                        fmt::format("no CUDA device {}: this process sees {}, counted from 0", index, count));
        }
        FACEFLOW_ASSIGN(auto made, make_cuda_device(index, wanted.memory_cap));
        devices.push_back(std::move(made));
    }
    return devices;
}

std::unique_ptr<vision::kernels> make_kernels_of_cuda(device&) {
    return vision::make_cuda_kernels();
}

void look_at_cards(gpu_facts& into) {
    into.compiled_for = cuda_cards_compiled_for();
    into.cards = ask_cuda_cards();
}

}  // namespace

const back_end cuda_back_end{
    .kind = device_kind::cuda,
    .syntax = "cuda[:all|:I,J,...]",
    .indexed = true,
    .open = open_cuda,
    .make_kernels = make_kernels_of_cuda,
    .make_network = inference::make_cuda_network,
    .open_decoder = media::open_nvdec,
    .decodes_by_default = true,
    .look = look_at_cards,
};

}  // namespace faceflow::internal
