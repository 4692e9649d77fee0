// SPDX-License-Identifier: Apache-2.0
// Networks on ONNX Runtime's sessions. Private to src/inference/onnxruntime.
#pragma once

#include <memory>

#include "inference/session.hpp"

namespace faceflow::internal::inference {

// runtime::host_network.
[[nodiscard]] std::shared_ptr<network> make_host_network(std::shared_ptr<session> of, const picture_form& form);

// runtime::cuda_network.
[[nodiscard]] std::shared_ptr<network> make_cuda_onnx_network(std::shared_ptr<runtime> on, const onnx_file& model,
                                                              const picture_form& form, const cuda_choice& how);

}  // namespace faceflow::internal::inference
