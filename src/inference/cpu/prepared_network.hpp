// SPDX-License-Identifier: Apache-2.0
// A network of kernels on the CPU: runs a plan in single precision, or with bfloat16 products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"
#include "inference/cpu/step.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::inference::cpu {

// A plan with its weights packed for an instruction set; for any number of bindings of any size. Immutable: any thread.
class prepared_network {
public:
    // `of`: a plan that parse_plan has checked.
    [[nodiscard]] static std::shared_ptr<const prepared_network> make(plan of,
                                                                      host_precision in_what = host_precision::fp32,
                                                                      const kernel_set& kernels = best_kernels());

    [[nodiscard]] const plan& of() const noexcept { return of_; }
    [[nodiscard]] const kernel_set& kernels() const noexcept { return kernels_; }
    [[nodiscard]] const weight_store& weights() const noexcept { return weights_; }
    [[nodiscard]] const std::vector<std::unique_ptr<packed_step>>& steps() const noexcept { return steps_; }
    // The plan's maps, followed by those of this engine only.
    [[nodiscard]] const std::vector<plan_map>& maps() const noexcept { return maps_; }
    // The step that produces a map row by row for the next step, its only reader, which consumes it row by row; -1 if
    // there is none.
    [[nodiscard]] std::int32_t streams(tensor_index map) const { return streams_[static_cast<std::size_t>(map)]; }

private:
    prepared_network(plan of, const kernel_set& kernels);
    void pack(host_precision in_what);
    void find_streams();
    [[nodiscard]] tensor_index input_map(const packing& with);

    plan of_;
    kernel_set kernels_;
    weight_store weights_;
    std::vector<plan_map> maps_;
    std::vector<std::unique_ptr<packed_step>> steps_;
    tensor_index input_map_ = -1;
    std::vector<std::int32_t> streams_;  // by map
};

// The layout of the tensors of up to `most` pictures of one size in one block of memory. Maps: large maps that one step
// produces for the next keep only some rows, and maps share memory if their lifetimes do not overlap. Vectors of each
// picture are kept. Zeros.
class memory_layout {
public:
    // kept: whole maps, each in memory of its own, for tests.
    enum class maps : std::uint8_t { shared, kept };

    // errc::invalid_argument for a size that the network does not accept.
    [[nodiscard]] static result<memory_layout> make(const prepared_network& of, std::int32_t height, std::int32_t width,
                                                    std::int32_t most, maps how = maps::shared);

    [[nodiscard]] std::size_t bytes() const noexcept { return floats_ * sizeof(float); }
    // The places in `memory` of bytes() bytes, aligned to 64, with pictures at `input`.
    [[nodiscard]] tensor_places in(float* memory, const float* input) const;
    // For a thread that shares a run: its places equal `of`, those of the main binding, except for maps of which only
    // some rows are kept: those rows belong to the thread's parts and lie in `memory` of passing_bytes() bytes, aligned
    // to 64.
    [[nodiscard]] std::size_t passing_bytes() const;
    [[nodiscard]] tensor_places beside(tensor_places of, float* memory) const;
    // Numbers per picture of a vector.
    [[nodiscard]] std::int32_t length(tensor_index vector) const { return lengths_[static_cast<std::size_t>(vector)]; }

private:
    struct area {
        std::size_t at = 0, floats = 0;
        std::int32_t first = 0, last = 0;  // range of steps that use it
    };
    [[nodiscard]] bool measure(const prepared_network& of);
    void choose_streams(const prepared_network& of);
    [[nodiscard]] bool passes_on(const prepared_network& of, std::size_t step) const;
    void place_maps(const prepared_network& of, maps how);

    plan::extent input_;
    std::int64_t input_floats_ = 0;
    std::int32_t most_ = 1;
    std::vector<tensor_places::map_place> sizes_;
    std::vector<std::int32_t> lengths_;
    std::vector<area> maps_;
    std::vector<std::size_t> vectors_;  // offset of each
    std::size_t zeros_ = 0, floats_ = 0;
};

// A network's steps bound to memory. Use it from one thread at a time.
class prepared_binding {
public:
    // `memory`: as the layout requires, zeroed before the first run; `input`: [pictures][3][height][width]. Both
    // outlive this.
    prepared_binding(std::shared_ptr<const prepared_network> of, const memory_layout& layout, float* memory,
                     const float* input)
        : prepared_binding(std::move(of), layout.in(memory, input)) {}
    // With some of the vectors elsewhere.
    prepared_binding(std::shared_ptr<const prepared_network> of, tensor_places places);
    prepared_binding(const prepared_binding&) = delete;

    // Floats of scratch memory for run().
    [[nodiscard]] std::size_t scratch() const noexcept { return scratch_; }
    // Runs all steps for pictures `first` to `first` + `n` - 1, one after another. A picture's result does not depend
    // on other pictures. Does not allocate.
    void run(std::int32_t first, std::int32_t n, float* scratch) const;

    [[nodiscard]] const tensor_places& places() const noexcept { return places_; }
    [[nodiscard]] const std::vector<std::unique_ptr<bound_step>>& steps() const noexcept { return steps_; }
    // The last of the network's steps that steps()[i] covers.
    [[nodiscard]] std::size_t last_of(std::size_t i) const { return last_of_[i]; }

private:
    const std::shared_ptr<const prepared_network> of_;
    const tensor_places places_;
    std::vector<std::unique_ptr<bound_step>> steps_;
    std::vector<std::size_t> last_of_;
    std::size_t scratch_ = 0;
};

}  // namespace faceflow::internal::inference::cpu
