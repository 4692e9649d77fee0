// SPDX-License-Identifier: Apache-2.0
// In place of the CUDA back end in builds without CUDA: its name stays known, and says what to do. There are no devices,
// so that nothing else of it is called.
#include "backends/cuda_indices.hpp"
#include "backends/open_devices.hpp"
#include "backends/registered.hpp"
#include "core/try.hpp"

namespace faceflow::internal {
namespace {

result<back_end::device_list> open_cuda(const device_request&, std::optional<std::string_view> list) {
    FACEFLOW_TRY(parse_cuda_indices(list));
    return fail(errc::unavailable,
                "no CUDA device: this program was built without CUDA; build it with "
                "-DFACEFLOW_CUDA=ON, or use --device cpu or emulated");
}

}  // namespace

const back_end cuda_back_end{
    .kind = device_kind::cuda,
    .syntax = "cuda[:all|:I,J,...]",
    .indexed = true,
    .open = open_cuda,
    .make_kernels = nullptr,
    .make_network = nullptr,
};

}  // namespace faceflow::internal
