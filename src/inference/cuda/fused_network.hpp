// SPDX-License-Identifier: Apache-2.0
// Runs a network with native kernels on a CUDA device: a plan, in half precision with single-precision sums, on tensor
// cores. Including this needs no CUDA header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::inference {

// A plan's weights in device memory; for any number of bindings of any size and batch. Thread-safe.
class fused_network {
public:
    // Allocates the weights from the pool of the stream's device, a CUDA device that outlives this, and adds their
    // upload to the stream. It is pageable: returns once the bytes are staged, not once they have arrived. Other
    // streams must wait for an event recorded after it. errc::unsupported names the plan's step that fits no kernel, or
    // says what the card lacks; errc::out_of_memory.
    [[nodiscard]] static result<std::shared_ptr<fused_network>> load(const plan& network, stream& s);
    // Destroy it after the last work that uses it.
    ~fused_network();
    fused_network(const fused_network&) = delete;

    [[nodiscard]] const plan& network() const noexcept;
    // Its pool memory, in bytes.
    [[nodiscard]] std::size_t device_bytes() const noexcept;
    // Scratch bytes of a binding; 0 for a size that the network does not accept.
    [[nodiscard]] std::size_t scratch_bytes(std::int32_t height, std::int32_t width, std::int32_t most) const;

    struct impl;
    [[nodiscard]] impl& get() const noexcept { return *impl_; }

private:
    explicit fused_network(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

// Memory for up to `most` pictures of one size: the input, data between layers, and the outputs. Use it from one thread
// and on one stream at a time: runs share the memory.
class fused_binding {
public:
    // Allocates from the pool of the stream's device, which is the network's. `input`: address of the pictures;
    // `scratch`: scratch_bytes() bytes for data between layers; null: memory of its own; both outlive the binding.
    // Bindings whose runs never overlap may share scratch. Adds memsets of all memory to the stream, without waiting.
    // errc::invalid_argument for a size that the network does not accept; errc::out_of_memory.
    [[nodiscard]] static result<fused_binding> create(std::shared_ptr<fused_network> of, stream& work,
                                                      std::int32_t height, std::int32_t width, std::int32_t most,
                                                      std::byte* input = nullptr, std::byte* scratch = nullptr);
    fused_binding(fused_binding&&) noexcept;
    fused_binding& operator=(fused_binding&&) noexcept;
    // Destroy it after the last of its runs.
    ~fused_binding();

    // [most][height][width][4] halves at a device address: red, green, blue scaled as in plan_input, and an arbitrary
    // fourth value, whose weights are 0.
    [[nodiscard]] std::byte* input() const noexcept;
    [[nodiscard]] std::size_t input_bytes() const noexcept;
    // A vector of the plan at a device address: picture i's is at + i * output_length(name). Null and 0 for an unknown
    // name, null for a vector that never leaves a kernel.
    [[nodiscard]] const float* output(std::string_view name) const noexcept;
    [[nodiscard]] std::int32_t output_length(std::string_view name) const noexcept;

    // Adds the launches for `n` pictures (1 to `most`) from picture `first` on; may be captured. Neither allocates on
    // the device nor waits. A picture's result depends neither on n nor on its position. A failed launch is the
    // stream's error.
    void add_run(stream& work, std::int32_t first, std::int32_t n);
    // The number of launches.
    [[nodiscard]] std::size_t launches(std::int32_t n);
    // Its pool memory, in bytes.
    [[nodiscard]] std::size_t device_bytes() const noexcept;

    struct impl;

private:
    explicit fused_binding(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

}  // namespace faceflow::internal::inference
