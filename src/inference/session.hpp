// SPDX-License-Identifier: Apache-2.0
// Models on ONNX Runtime, a reference beside kernels of our own: with every input and output preallocated and bound. A
// build may be without it; runtime::create then says so, and is the only way to all else here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/network.hpp"
#include "inference/threading.hpp"

namespace faceflow::inference {

// Has TensorRT run what it can of a model, in place of ONNX Runtime's own kernels. Engines and timings that are not in
// `folder` yet are built in the first run, which takes minutes.
struct tensorrt_plan {
    std::filesystem::path folder;
    bool half = false;  // FP16 where TensorRT finds that faster
    std::string input;
    std::vector<std::int64_t> smallest, usual, largest;  // of its shapes
};

// Where a session runs.
struct placement {
    // If it is a stream of a CUDA device, there: every run adds its work to it. It outlives the session. Otherwise on
    // the CPU.
    stream* home = nullptr;
    const tensorrt_plan* by_tensorrt = nullptr;
    bool tf32 = false;  // products on tensor cores, with 10 bits behind the point
};

struct tensor_info {
    std::string name;
    std::vector<std::int64_t> shape;  // -1: dynamic
};

struct bound_tensor {
    std::string name;
    float* data =
        nullptr;  // where the runtime finds it: the device's kernel_address of the buffer, or its device address
    std::vector<std::int64_t> shape;
};

// One set of addresses and shapes for a session, which it keeps. One thread at a time.
class binding {
public:
    virtual ~binding() = default;

    // Reads the inputs, writes the outputs, returns when done; neither allocates nor copies them. On a device it adds
    // that work to the session's stream and returns: to be called from stream::enqueue of that stream. What it needs
    // beside its tensors it takes from the pool in the first two runs. errc::out_of_memory when the pool is full.
    [[nodiscard]] virtual result<void> run() = 0;
};

// A loaded model: weights, shared by any number of bindings. Thread-safe, but on a device one thread at a time may run
// it.
class session {
public:
    virtual ~session() = default;

    [[nodiscard]] virtual const std::vector<tensor_info>& inputs() const noexcept = 0;
    [[nodiscard]] virtual const std::vector<tensor_info>& outputs() const noexcept = 0;

    // On a device: the nodes that run on the CPU all the same, as "name (operator)", each at the price of transfers and
    // waits that no ledger sees. Empty where all is as it should be, and on the CPU.
    [[nodiscard]] virtual const std::vector<std::string>& cpu_fallback_nodes() const noexcept = 0;
    // On a device: what it has taken of the pool so far.
    [[nodiscard]] virtual std::size_t device_bytes() const = 0;

    // Not on a device: runs once on zeros of that input shape and returns the shapes of the outputs, in their order.
    [[nodiscard]] virtual result<std::vector<std::vector<std::int64_t>>> output_shapes(
        const std::vector<std::int64_t>& input) const = 0;

    [[nodiscard]] virtual result<std::unique_ptr<binding>> bind(std::span<const bound_tensor> inputs,
                                                                std::span<const bound_tensor> outputs) = 0;
};

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

struct runtime_options {
    int threads = 0;  // of the one pool that sessions may share; 0: one per core
};

// ONNX Runtime's environment with one global thread pool. Keep one per engine; sessions and networks hold on to it.
class runtime {
public:
    // As find_runtime; errc::unavailable, too, when the system makes no more threads.
    [[nodiscard]] static result<std::shared_ptr<runtime>> create(const runtime_options& options);
    virtual ~runtime() = default;

    // Whether models can run on CUDA devices here; loads ONNX Runtime's provider and the libraries it stands on. To be
    // asked only where there is a device. errc::unavailable: which library is missing, and how to get it.
    [[nodiscard]] virtual result<void> check_cuda() const = 0;
    // Whether models can run on TensorRT here; loads ONNX Runtime's provider. To be asked only where models can run on
    // CUDA.
    [[nodiscard]] virtual result<void> check_tensorrt() const = 0;

    // On the CPU, where `how` says on which threads. Or on a device: then weights and all that runs need come out of
    // the device's pool, and inputs and outputs are device addresses. Errors: errc::not_found and corrupt for the file,
    // errc::unavailable when ONNX Runtime cannot use the device (see check_cuda), errc::out_of_memory. With TensorRT
    // what it allocates for its engines is not the pool's.
    [[nodiscard]] virtual result<std::shared_ptr<session>> load(const std::filesystem::path& model, threading how,
                                                                const placement& where) = 0;
    [[nodiscard]] result<std::shared_ptr<session>> load(const std::filesystem::path& model, threading how) {
        return load(model, how, {});
    }

    // On devices that compute on the host; all bindings run the one session. `form` is what the model's author wants to
    // see.
    [[nodiscard]] virtual std::shared_ptr<network> host_network(std::shared_ptr<session> of,
                                                                const picture_form& form) = 0;
    // On CUDA devices: a session for each binding, on its stream, with weights of its own. With TensorRT, engines for
    // batches from one to the binding's most. errc::unavailable from bind, where a provider cannot be had.
    [[nodiscard]] virtual std::shared_ptr<network> cuda_network(const onnx_file& model, const picture_form& form,
                                                                const cuda_choice& how) = 0;
};

// ONNX Runtime's library.
struct found_runtime {
    std::string version;
    std::filesystem::path folder;
    std::vector<std::string> providers;
};

// Opens the library, once for the process, which has nothing of ONNX Runtime's before. errc::unavailable where this
// build is without it, or where the library is not found or too old; what to do. Thread-safe, but for the process'
// environment, which it changes (setenv) the first time: that must not run beside another thread's getenv.
[[nodiscard]] result<found_runtime> find_runtime();

}  // namespace faceflow::inference
