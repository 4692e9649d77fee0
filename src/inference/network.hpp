// SPDX-License-Identifier: Apache-2.0
// A model as a device runs it, whoever computes: ONNX Runtime on a CPU or a GPU, or kernels of our own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/host_precision.hpp"
#include "inference/threading.hpp"
#include "vision/sampling.hpp"

namespace faceflow::inference {

// How a network wants its pictures: values (0..1 colour) * scale + bias.
struct picture_form {
    vision::tensor_format format = vision::tensor_format::planar_float;
    float scale = 1, bias = 0;
};

// What a network gives for each picture: so many floats, in the shape that the model's author gave them.
struct network_output {
    std::string name;
    std::vector<std::int64_t> shape;  // of one picture

    [[nodiscard]] std::int64_t length() const;
};

// A network with memory for some pictures of one size, all of it out of the device's pool. One thread at a time, and
// one stream.
class bound_network {
public:
    virtual ~bound_network() = default;

    // Where the pictures go, one after the other; a device address.
    [[nodiscard]] virtual std::byte* input() const noexcept = 0;
    // An output of the first picture, as a device address; the others' follow. Null for a name that it has not.
    [[nodiscard]] virtual const float* output(std::string_view name) const noexcept = 0;
    // Adds a run on `n` pictures from picture `first` on. What a picture comes to depends on no other. On a host the
    // model runs as a task of the stream.
    virtual void add_run(stream& s, std::int32_t first, std::int32_t n) = 0;
    // The same at once; for a task of a stream that has learnt only by then how many there are. Only where kernels are
    // host functions.
    [[nodiscard]] virtual result<void> run(std::int32_t first, std::int32_t n) = 0;
};

struct binding_request {
    std::int32_t height = 0, width = 0;  // of a picture
    std::int32_t most = 1;               // pictures
    std::vector<network_output> outputs;
    std::byte* input = nullptr;  // memory for them that outlives the binding, as a device address; null: its own
    // As many bytes as network::scratch_bytes() says, for what layers leave to each other; bindings that never run at
    // the same time may share them, and bind() writes to them. Outlives the binding; null: its own.
    std::byte* scratch = nullptr;
};

// Thread-safe.
class network {
public:
    virtual ~network() = default;
    [[nodiscard]] virtual picture_form form() const noexcept = 0;
    // For work on `on`, which outlives the binding. errc::out_of_memory; errc::corrupt for outputs that the model has
    // not.
    [[nodiscard]] virtual result<std::unique_ptr<bound_network>> bind(stream& s, const binding_request& wanted) = 0;
    // What bindings may share; 0 where they have nothing to share.
    [[nodiscard]] virtual std::size_t scratch_bytes(const binding_request&) const { return 0; }
    // What a person should know of how it runs, a sentence each; of what was bound so far.
    [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }
    // Where TensorRT's engines lie that bindings run; empty without.
    [[nodiscard]] virtual std::vector<std::filesystem::path> engine_folders() const { return {}; }
};

// The network on kernels of our own, by the plan beside the model. Its weights lie in the memory of a CUDA device,
// which is waited for, or where kernels are host functions in that of the process. errc::unsupported where that cannot
// be: no plan, a step that no kernel fits, a build without CUDA. `on_host`: what host functions compute in, which this
// CPU can (check_host_precision).
[[nodiscard]] result<std::shared_ptr<network>> make_native_network(device& d, const std::filesystem::path& model,
                                                                   std::string_view model_sha256, threading how,
                                                                   host_precision on_host = host_precision::fp32);

}  // namespace faceflow::inference
