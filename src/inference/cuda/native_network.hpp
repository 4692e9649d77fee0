// SPDX-License-Identifier: Apache-2.0
// Networks on native kernels, for the flows.
#pragma once

#include "inference/network.hpp"

namespace faceflow::internal::inference {

// See make_native_network. `d` is a CUDA device.
[[nodiscard]] result<std::shared_ptr<network>> make_cuda_network(device& d, const network_request& wanted);

}  // namespace faceflow::internal::inference
