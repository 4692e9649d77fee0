// SPDX-License-Identifier: Apache-2.0
// A plan as kernels: their order, their weights, and the placement of the tensors between them. Independent of devices:
// addresses are plain numbers, and launches are run by the owner of the kernels (src/inference/cuda; in tests, the
// emulation).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "faceflow/result.hpp"
#include "inference/kernels/list.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::inference::kernels {

// The facts about a card that determine the choice of kernels and the division of work.
struct card {
    std::size_t shared_bytes = 48 * 1024;  // limit per block of threads
    std::size_t shared_of_multiprocessor = 64 * 1024;
    std::int32_t threads_of_multiprocessor = 1024;
    std::int32_t multiprocessors = 1;
    bool fused = true;  // false: one kernel per step, and only those for any size
};

// The largest parameters of a kernel.
constexpr std::size_t max_parameter_bytes = 1024;

struct launch {
    kernel_id kernel;
    std::int32_t step = -1;  // the last plan step that it runs
    std::int32_t grid_x = 1, grid_y = 1, threads = 0;
    std::size_t shared_bytes = 0;
    std::size_t parameter_bytes = 0;
    alignas(16) std::array<std::byte, max_parameter_bytes> parameters;
};

class binding_memory;

// One or more steps of the plan that run together.
struct operation {
    std::int32_t first_step = 0, last_step = 0;
    std::vector<tensor_index> maps_read, maps_written;  // -1: the input
    std::vector<tensor_index> vectors_read, vectors_written;
    std::function<void(const binding_memory&, std::int32_t pictures, std::vector<launch>&)> add;
};

struct network {
    plan of;
    card target;
    std::vector<std::byte> weights;  // to be copied once; not needed afterwards
    std::vector<operation> operations;

    // errc::unsupported names the step that fits no kernel.
    [[nodiscard]] static result<std::shared_ptr<network>> make(plan from, const card& d);
};

// Channels of a map in memory.
[[nodiscard]] constexpr std::int32_t stored_channels(std::int32_t channels) {
    return round_up(channels, channel_step);
}

// The placement of the tensors of up to `most` pictures: the input, unless it is elsewhere; vectors, which are kept;
// and scratch: maps, which share memory if their lifetimes do not overlap. After a run, no scratch is needed.
class tensor_placement {
public:
    enum class input : std::uint8_t { here, elsewhere };
    // errc::invalid_argument for a size that the network does not accept. `keep`: every map has memory of its own
    // (tests).
    [[nodiscard]] static result<tensor_placement> make(const network& of, std::int32_t height, std::int32_t width,
                                                       std::int32_t most, bool keep = false, input lies = input::here);

    static constexpr std::size_t nowhere = SIZE_MAX;  // for a tensor that stays within a kernel
    struct area {
        std::size_t at = nowhere, bytes = 0;
        std::int32_t first = 0, last = 0;  // range of operations that use it
    };

    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    // The bytes of input and vectors; the rest is scratch.
    [[nodiscard]] std::size_t bytes_to_keep() const noexcept { return scratch_at_; }
    [[nodiscard]] std::size_t scratch_bytes() const noexcept { return bytes_ - scratch_at_; }
    // at offset 0, if the input is here
    [[nodiscard]] std::size_t input_bytes() const noexcept { return input_bytes_; }
    [[nodiscard]] const area& map(tensor_index i) const { return maps_[static_cast<std::size_t>(i)]; }
    [[nodiscard]] const area& vector(tensor_index i) const { return vectors_[static_cast<std::size_t>(i)]; }
    // The size of a map of the plan, or of the input (-1).
    [[nodiscard]] plan::extent size(tensor_index i) const;
    // Floats per picture.
    [[nodiscard]] std::int32_t length(tensor_index vector) const { return lengths_[static_cast<std::size_t>(vector)]; }
    [[nodiscard]] std::int32_t height() const noexcept { return height_; }
    [[nodiscard]] std::int32_t width() const noexcept { return width_; }
    [[nodiscard]] std::int32_t most() const noexcept { return most_; }

private:
    [[nodiscard]] result<void> measure(const network& of);
    void find_lives(const network& of, bool keep);
    void place(const network& of);

    std::int32_t height_ = 0, width_ = 0, most_ = 0;
    std::size_t bytes_ = 0, input_bytes_ = 0;
    std::size_t begin_ = 0;       // offset of what follows the input
    std::size_t scratch_at_ = 0;  // offset of the maps
    std::vector<plan::extent> sizes_;
    std::vector<std::int32_t> lengths_;
    std::vector<area> maps_, vectors_;
};

// A placement in actual memory.
class binding_memory {
public:
    // `input`: address of the pictures; null: at the beginning of `memory`. `scratch`: address of the scratch; null:
    // after the kept part.
    binding_memory(const network& of, const tensor_placement& places, std::byte* weights, std::byte* memory,
                   std::byte* input = nullptr, std::byte* scratch = nullptr)
        : of_(of),
          places_(places),
          weights_(weights),
          memory_(memory),
          input_(input != nullptr ? input : memory),
          scratch_(scratch != nullptr ? scratch : memory + places.bytes_to_keep()) {}

    [[nodiscard]] const plan& network_plan() const { return of_.of; }
    [[nodiscard]] const card& target() const { return of_.target; }
    // The address of a map, or of the input.
    [[nodiscard]] half* map(tensor_index i) const;
    [[nodiscard]] float* vector(tensor_index i) const;
    [[nodiscard]] plan::extent size(tensor_index i) const { return places_.size(i); }
    [[nodiscard]] std::int32_t length(tensor_index vector) const { return places_.length(vector); }
    [[nodiscard]] std::int32_t channels(tensor_index map) const;
    template <class T>
    [[nodiscard]] const T* weights(std::size_t at) const {
        return reinterpret_cast<const T*>(weights_ + at);
    }

    // The launches for `pictures` pictures from picture `first` on, in order.
    [[nodiscard]] std::vector<launch> launches(std::int32_t pictures, std::int32_t first = 0) const;

private:
    const network& of_;
    const tensor_placement& places_;
    std::byte* const weights_;
    std::byte* const memory_;
    std::byte* const input_;
    std::byte* const scratch_;
    std::int32_t first_ = 0;  // the picture whose input and vectors are addressed
};

}  // namespace faceflow::internal::inference::kernels
