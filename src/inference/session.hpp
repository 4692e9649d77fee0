// Models on ONNX Runtime, with every input and output preallocated and bound.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/threading.hpp"

namespace faceflow::inference {

struct runtime_options {
    int threads = 0;  // of the one pool that sessions may share; 0: one per core
};

// ONNX Runtime's environment with one global thread pool. Keep one per engine; sessions hold on to it.
class runtime {
public:
    [[nodiscard]] static result<std::shared_ptr<runtime>> create(const runtime_options& options);
    ~runtime();
    runtime(const runtime&) = delete;

    struct impl;
    [[nodiscard]] impl& get() noexcept { return *impl_; }

private:
    explicit runtime(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

[[nodiscard]] std::string runtime_version();
[[nodiscard]] std::vector<std::string> runtime_providers();

// Whether models can run on CUDA devices here; loads ONNX Runtime's provider and the libraries it stands on. To be asked only
// where there is a device. errc::unavailable: which library is missing, and how to get it.
[[nodiscard]] result<void> check_cuda_provider(const runtime& on);

// The TensorRT that this machine has, as "10.13.3". errc::unavailable: what is missing, and what to do.
[[nodiscard]] result<std::string> tensorrt_version();
// Whether models can run on it here; loads ONNX Runtime's provider. To be asked only where models can run on CUDA.
[[nodiscard]] result<void> check_tensorrt(const runtime& on);

// What TensorRT's engines depend on: those of one key serve no other.
struct engine_key {
    std::string architecture;  // of the device
    std::string tensorrt;      // its version
    std::string model_sha256;
    std::string profile;  // the sizes of batches that they are made for, such as "1-4-32"
    bool half = false;
};
// Where they lie beneath `base`: a folder for card, version and precision, and in it one for each model and profile.
[[nodiscard]] std::filesystem::path engine_folder(const std::filesystem::path& base, const engine_key& key);

// Has TensorRT run what it can of a model, in place of ONNX Runtime's own kernels. Engines and timings that are not in `folder` yet
// are built in the first run, which takes minutes.
struct tensorrt_plan {
    std::filesystem::path folder;
    bool half = false;  // FP16 where TensorRT finds that faster
    std::string input;
    std::vector<std::int64_t> smallest, usual, largest;  // of its shapes
};

// Where a session runs.
struct placement {
    // If it is a stream of a CUDA device, there: every run adds its work to it. It outlives the session. Otherwise on the CPU.
    stream* home = nullptr;
    const tensorrt_plan* by_tensorrt = nullptr;
    bool tf32 = false;  // products on tensor cores, with 10 bits behind the point
};

struct tensor_info {
    std::string name;
    std::vector<std::int64_t> shape;  // -1: dynamic
};

// A loaded model: weights, shared by any number of bindings. Thread-safe, but on a device one thread at a time may run it.
class session {
public:
    // Runs on the CPU, and `how` says on which threads. Or on a device: then weights and all that runs need come out of the
    // device's pool, and inputs and outputs are device addresses. Errors: errc::not_found and corrupt for the file,
    // errc::unavailable when ONNX Runtime cannot use the device (see check_cuda_provider), errc::out_of_memory. With
    // TensorRT what it allocates for its engines is not the pool's.
    [[nodiscard]] static result<std::shared_ptr<session>> load(std::shared_ptr<runtime> on,
                                                               const std::filesystem::path& model, threading how,
                                                               const placement& where = {});
    ~session();
    session(const session&) = delete;

    [[nodiscard]] const std::vector<tensor_info>& inputs() const noexcept { return inputs_; }
    [[nodiscard]] const std::vector<tensor_info>& outputs() const noexcept { return outputs_; }

    // On a device: the nodes that run on the CPU all the same, as "name (operator)", each at the price of transfers and waits
    // that no ledger sees. Empty where all is as it should be, and on the CPU.
    [[nodiscard]] const std::vector<std::string>& strays() const noexcept { return strays_; }
    // On a device: what it has taken of the pool so far.
    [[nodiscard]] std::size_t device_bytes() const;

    // Not on a device: runs once on zeros of that input shape and returns the shapes of the outputs, in their order.
    [[nodiscard]] result<std::vector<std::vector<std::int64_t>>> output_shapes(
        const std::vector<std::int64_t>& input) const;

    struct impl;
    [[nodiscard]] impl& get() const noexcept { return *impl_; }

private:
    explicit session(std::unique_ptr<impl> i);
    void describe();
    std::unique_ptr<impl> impl_;
    std::vector<tensor_info> inputs_, outputs_;
    std::vector<std::string> strays_;
};

struct bound_tensor {
    std::string name;
    float* data =
        nullptr;  // where the runtime finds it: the device's kernel_address of the buffer, or its device address
    std::vector<std::int64_t> shape;
};

// One set of addresses and shapes for a session. One thread at a time.
class binding {
public:
    [[nodiscard]] static result<binding> create(std::shared_ptr<session> of, std::span<const bound_tensor> inputs,
                                                std::span<const bound_tensor> outputs);
    binding(binding&&) noexcept;
    binding& operator=(binding&&) noexcept;
    ~binding();

    // Reads the inputs, writes the outputs, returns when done; neither allocates nor copies them. On a device it adds that work
    // to the session's stream and returns: to be called from stream::enqueue of that stream. What it needs beside its tensors it
    // takes from the pool in the first two runs. errc::out_of_memory when the pool is full.
    [[nodiscard]] result<void> run();

private:
    struct impl;
    explicit binding(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

}  // namespace faceflow::inference
