// SPDX-License-Identifier: Apache-2.0
// A model on a device, independent of the engine: ONNX Runtime on a CPU or a GPU, or native kernels.
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

namespace faceflow::internal::inference {

// The form of a network's input pictures: values (0..1 colour) * scale + bias.
struct picture_form {
    vision::tensor_format format = vision::tensor_format::planar_float;
    float scale = 1, bias = 0;
};

// An output of a network per picture: floats in the shape that the model's author defined.
struct network_output {
    std::string name;
    std::vector<std::int64_t> shape;  // of one picture

    [[nodiscard]] std::int64_t length() const;
};

// A network with memory for a number of pictures of one size, all from the device's pool. Use it from one thread and on
// one stream at a time.
class bound_network {
public:
    virtual ~bound_network() = default;

    // The address of the pictures, one after another; a device address.
    [[nodiscard]] virtual std::byte* input() const noexcept = 0;
    // An output of the first picture at a device address; those of further pictures follow. Null for an unknown name.
    [[nodiscard]] virtual const float* output(std::string_view name) const noexcept = 0;
    // Adds a run on `n` pictures from picture `first` on. A picture's result does not depend on other pictures. On a
    // host, the model runs as a task of the stream.
    virtual void add_run(stream& s, std::int32_t first, std::int32_t n) = 0;
    // Runs immediately, for a task of a stream that knows only then how many pictures there are. Only where kernels are
    // host functions.
    [[nodiscard]] virtual result<void> run(std::int32_t first, std::int32_t n) = 0;
};

struct binding_request {
    std::int32_t height = 0, width = 0;  // of a picture
    std::int32_t most = 1;               // pictures
    std::vector<network_output> outputs;
    // memory for the pictures that outlives the binding, at a device address; null: its own
    std::byte* input = nullptr;
    // network::scratch_bytes() bytes for data between layers; bindings that never run at the same time may share them,
    // and bind() writes to them. Outlives the binding; null: its own.
    std::byte* scratch = nullptr;
};

// Thread-safe.
class network {
public:
    virtual ~network() = default;
    [[nodiscard]] virtual picture_form form() const noexcept = 0;
    // Binds for work on `s`, which outlives the binding. errc::out_of_memory; errc::corrupt for outputs that the model
    // lacks.
    [[nodiscard]] virtual result<std::unique_ptr<bound_network>> bind(stream& s, const binding_request& wanted) = 0;
    // Bytes that bindings may share; 0 if there are none.
    [[nodiscard]] virtual std::size_t scratch_bytes(const binding_request&) const { return 0; }
    // Notes for the user on how it runs, one sentence each, for the bindings so far.
    [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }
    // Folders of the TensorRT engines that bindings run; empty without TensorRT.
    [[nodiscard]] virtual std::vector<std::filesystem::path> engine_folders() const { return {}; }
};

// What a network on native kernels is made from.
struct network_request {
    std::filesystem::path model;  // an ONNX graph, with its plan beside it
    std::string model_sha256;     // of that file, which the plan must be of
    threading how = threading::caller;
    host_precision on_host = host_precision::fp32;  // of host functions; this CPU supports it (check_host_precision)
};

}  // namespace faceflow::internal::inference
