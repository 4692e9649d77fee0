// SPDX-License-Identifier: Apache-2.0
// A network of our own kernels on a CUDA device: what a plan says, in half precision with single-precision sums, on
// tensor cores. Those who include this need no CUDA header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/plan.hpp"

namespace faceflow::inference {

// The weights of a plan in a device's memory; for any number of bindings, of any size and batch. Thread-safe.
class fused_network {
public:
    // Takes memory for the weights from the pool of the stream's device, which is a CUDA device and outlives this, and
    // adds their copy to the stream: pageable, so that it waits until they are staged, not until they have arrived.
    // Other streams wait for an event recorded after it. errc::unsupported names the step of the plan that no kernel
    // fits, or says what the card lacks; errc::out_of_memory.
    [[nodiscard]] static result<std::shared_ptr<fused_network>> load(const plan& network, stream& s);
    // After the last work that uses it.
    ~fused_network();
    fused_network(const fused_network&) = delete;

    [[nodiscard]] const plan& network() const noexcept;
    // What it holds of the pool.
    [[nodiscard]] std::size_t device_bytes() const noexcept;
    // Scratch of a binding; 0 for a size that the network does not take.
    [[nodiscard]] std::size_t scratch_bytes(std::int32_t height, std::int32_t width, std::int32_t most) const;

    struct impl;
    [[nodiscard]] impl& get() const noexcept { return *impl_; }

private:
    explicit fused_network(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

// Memory for up to `most` pictures of one size: the input, what the layers leave to each other, and the outputs. One
// thread at a time, and on one stream at a time: runs share the memory.
class fused_binding {
public:
    // From the pool of the stream's device, the network's. `input`: where the pictures lie, and `scratch`,
    // scratch_bytes() of it: what layers leave to each other, if not in memory of its own; they outlive the binding.
    // Bindings whose runs never overlap may share scratch. Adds memsets of all of it to the stream, and does not wait.
    // errc::invalid_argument for a size that the network does not take; errc::out_of_memory.
    [[nodiscard]] static result<fused_binding> create(std::shared_ptr<fused_network> of, stream& s, std::int32_t height,
                                                      std::int32_t width, std::int32_t most, std::byte* input = nullptr,
                                                      std::byte* scratch = nullptr);
    fused_binding(fused_binding&&) noexcept;
    fused_binding& operator=(fused_binding&&) noexcept;
    // After the last of its runs.
    ~fused_binding();

    // [most][height][width][4] halves at a device address: red, green, blue as plan_input scales them, and a fourth
    // that may be any number: its weights are 0.
    [[nodiscard]] std::byte* input() const noexcept;
    [[nodiscard]] std::size_t input_bytes() const noexcept;
    // A vector of the plan at a device address: picture i's is at + i * output_length(name). Null and 0 for a name that
    // is no vector of the plan, null for one that never leaves a kernel.
    [[nodiscard]] const float* output(std::string_view name) const noexcept;
    [[nodiscard]] std::int32_t output_length(std::string_view name) const noexcept;

    // Adds the launches for `n` pictures, 1 to `most`, from picture `first` on; may be captured. Neither allocates on
    // the device nor waits. What a picture comes to does not depend on n, nor on its place. A launch that fails is the
    // stream's error.
    void add_run(stream& s, std::int32_t first, std::int32_t n);
    // How many those are.
    [[nodiscard]] std::size_t launches(std::int32_t n);
    // What it holds of the pool.
    [[nodiscard]] std::size_t device_bytes() const noexcept;

    struct impl;

private:
    explicit fused_binding(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

}  // namespace faceflow::inference
