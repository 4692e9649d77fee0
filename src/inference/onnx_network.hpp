// Models on ONNX Runtime.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "inference/network.hpp"
#include "inference/session.hpp"

namespace faceflow::inference {

// On devices that compute on the host; all bindings run the one session. `form` is what the model's author wants to see.
[[nodiscard]] std::shared_ptr<network> make_host_network(std::shared_ptr<session> of, const picture_form& form);

struct onnx_file {
    std::filesystem::path path;
    std::string sha256;
    std::string input;  // what the graph calls it
};

// How ONNX Runtime runs a model on CUDA devices. The folder is TensorRT's engines'.
struct cuda_choice {
    bool tensorrt = false, half = false, tf32 = false;  // half: with TensorRT
    std::filesystem::path engines;
};

// On CUDA devices: a session for each binding, on its stream, with weights of its own. With TensorRT, engines for batches from
// one to the binding's most. errc::unavailable from bind, where a provider cannot be had.
[[nodiscard]] std::shared_ptr<network> make_cuda_onnx_network(std::shared_ptr<runtime> on, const onnx_file& model,
                                                              const picture_form& form, const cuda_choice& how);

}  // namespace faceflow::inference
