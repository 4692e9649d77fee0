// SPDX-License-Identifier: Apache-2.0
// Models on ONNX Runtime, a reference for native kernels: with every input and output preallocated and bound. A build
// may lack it; runtime::create then says so, and is the only way to everything else here.
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

namespace faceflow::internal::inference {

// Lets TensorRT run what it can of a model, instead of ONNX Runtime's own kernels. Engines and timings that are not yet
// in `folder` are built in the first run, which takes minutes.
struct tensorrt_plan {
    std::filesystem::path folder;
    bool half = false;  // FP16 where TensorRT finds it faster
    std::string input;
    std::vector<std::int64_t> smallest, usual, largest;  // shapes of the input
};

// Where a session runs.
struct placement {
    // If set, a stream of a CUDA device: every run adds its work to it. It outlives the session. Null: on the CPU.
    stream* home = nullptr;
    const tensorrt_plan* by_tensorrt = nullptr;
    bool tf32 = false;  // products on tensor cores, with a 10-bit mantissa
};

struct tensor_info {
    std::string name;
    std::vector<std::int64_t> shape;  // -1: dynamic
};

struct bound_tensor {
    std::string name;
    float* data = nullptr;  // address for the runtime: the device's kernel_address of the buffer, or its device address
    std::vector<std::int64_t> shape;
};

// One set of addresses and shapes for a session, which it keeps alive. Use it from one thread at a time.
class binding {
public:
    virtual ~binding() = default;

    // Reads the inputs and writes the outputs in place, and returns when done. On a device it only adds that work to
    // the session's stream: call it from stream::enqueue of that stream. Further memory is taken from the pool in the
    // first two runs. errc::out_of_memory when the pool is full.
    [[nodiscard]] virtual result<void> run() = 0;
};

// A loaded model: weights, shared by any number of bindings. Thread-safe, but on a device only one thread at a time may
// run it.
class session {
public:
    virtual ~session() = default;

    [[nodiscard]] virtual const std::vector<tensor_info>& inputs() const noexcept = 0;
    [[nodiscard]] virtual const std::vector<tensor_info>& outputs() const noexcept = 0;

    // On a device: the nodes that still run on the CPU, as "name (operator)", each at the cost of transfers and waits
    // that no ledger counts. Normally empty; always empty on the CPU.
    [[nodiscard]] virtual const std::vector<std::string>& cpu_fallback_nodes() const noexcept = 0;
    // On a device: the pool memory taken so far.
    [[nodiscard]] virtual std::size_t device_bytes() const = 0;

    // Not on a device: runs once on zeros of that input shape and returns the shapes of the outputs, in order.
    [[nodiscard]] virtual result<std::vector<std::vector<std::int64_t>>> output_shapes(
        const std::vector<std::int64_t>& input) const = 0;

    [[nodiscard]] virtual result<std::unique_ptr<binding>> bind(std::span<const bound_tensor> inputs,
                                                                std::span<const bound_tensor> outputs) = 0;
};

struct onnx_file {
    std::filesystem::path path;
    std::string sha256;
    std::string input;  // the name in the graph
};

// How ONNX Runtime runs a model on CUDA devices. `engines`: the folder of TensorRT engines.
struct cuda_choice {
    bool tensorrt = false, half = false, tf32 = false;  // half: with TensorRT
    std::filesystem::path engines;
};

struct runtime_options {
    int threads = 0;  // of the single pool that sessions may share; 0: one per core
};

// ONNX Runtime's environment with one global thread pool. Keep one per engine; sessions and networks hold it.
class runtime {
public:
    // Errors of find_runtime; also errc::unavailable when the system cannot start more threads.
    [[nodiscard]] static result<std::shared_ptr<runtime>> create(const runtime_options& options);
    virtual ~runtime() = default;

    // Whether models can run on CUDA devices here; loads ONNX Runtime's provider and its libraries. Call it only if
    // there is a device. errc::unavailable: which library is missing, and how to get it.
    [[nodiscard]] virtual result<void> check_cuda() const = 0;
    // Whether models can run on TensorRT here; loads ONNX Runtime's provider. Call it only if models can run on CUDA.
    [[nodiscard]] virtual result<void> check_tensorrt() const = 0;

    // Loads a model on the CPU, on the threads given by `how`, or on a device: then weights and all working memory come
    // from the device's pool, and inputs and outputs are device addresses. Errors: errc::not_found and corrupt for the
    // file, errc::unavailable when ONNX Runtime cannot use the device (see check_cuda), errc::out_of_memory. TensorRT's
    // own allocations for its engines are outside the pool.
    [[nodiscard]] virtual result<std::shared_ptr<session>> load(const std::filesystem::path& model, threading how,
                                                                const placement& where) = 0;
    [[nodiscard]] result<std::shared_ptr<session>> load(const std::filesystem::path& model, threading how) {
        return load(model, how, {});
    }

    // For devices that compute on the host; all bindings run the same session. `form` is the input that the model's
    // author defined.
    [[nodiscard]] virtual std::shared_ptr<network> host_network(std::shared_ptr<session> of,
                                                                const picture_form& form) = 0;
    // For CUDA devices: one session per binding, on its stream, with its own weights. With TensorRT, engines for
    // batches from one to the binding's maximum. bind returns errc::unavailable if a provider is unavailable.
    [[nodiscard]] virtual std::shared_ptr<network> cuda_network(const onnx_file& model, const picture_form& form,
                                                                const cuda_choice& how) = 0;
};

// ONNX Runtime's library.
struct found_runtime {
    std::string version;
    std::filesystem::path folder;
    std::vector<std::string> providers;
};

// Loads the library, once per process; before that, the process has nothing of ONNX Runtime. errc::unavailable if this
// build lacks it, or the library is not found or too old; says what to do. Thread-safe, except that the first call
// changes the process's environment (setenv): no other thread may call getenv then.
[[nodiscard]] result<found_runtime> find_runtime();

}  // namespace faceflow::internal::inference
