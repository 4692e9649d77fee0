// SPDX-License-Identifier: Apache-2.0
// The steps of a plan for the CPU: packed once per network, and bound to each binding's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "inference/cpu/kernels.hpp"
#include "inference/cpu/packing.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::inference::cpu {

// The addresses of a binding's tensors. The input and vectors of picture i follow those of the first; maps belong to
// the picture in work.
struct tensor_places {
    struct map_place {
        float* data = nullptr;
        plan::extent size;
        std::int32_t channels = 0, stored = 0;
        std::int32_t kept = 0;  // rows with memory: all, or the last few

        [[nodiscard]] bool whole() const { return kept == size.height; }
        [[nodiscard]] float* row(std::int32_t y) const { return data + (y % kept) * row_step(); }
        [[nodiscard]] std::ptrdiff_t row_step() const { return std::ptrdiff_t{size.width} * stored; }
    };
    struct vector_place {
        float* data = nullptr;
        std::int32_t length = 0;

        [[nodiscard]] float* of(std::int32_t picture) const { return data + std::ptrdiff_t{picture} * length; }
    };
    std::vector<map_place> maps;  // by tensor_index
    std::vector<vector_place> vectors;
    const float* input = nullptr;  // [pictures][3][height][width], or points of a mixer
    plan::extent input_size;
    std::ptrdiff_t input_floats = 0;  // per picture
    const float* zeros = nullptr;     // as many as the longest row of a map

    [[nodiscard]] const map_place& map(tensor_index i) const { return maps[static_cast<std::size_t>(i)]; }
    [[nodiscard]] const vector_place& vector(tensor_index i) const { return vectors[static_cast<std::size_t>(i)]; }
    [[nodiscard]] const float* input_of(std::int32_t picture) const { return input + picture * input_floats; }
};

// The minimal cost of a step for one picture.
struct step_cost {
    double operations = 0;  // multiplications and additions, two per weight
    double bytes = 0;       // of tensors and weights, each counted once per read and once per write
};

// A step with its addresses. Its work has parts with disjoint outputs: they may run in any order, or concurrently with
// separate scratch memory and, for a row_step that streams rows, separate memory for those rows; the result is the
// same. No part allocates.
class bound_step {
public:
    virtual ~bound_step() = default;
    [[nodiscard]] virtual std::int32_t parts() const = 0;
    // Floats of scratch memory for a call of run.
    [[nodiscard]] virtual std::size_t scratch() const { return 0; }
    // Runs parts `from` to `to` - 1 of a picture.
    virtual void run(std::int32_t picture, std::int32_t from, std::int32_t to, float* scratch) const = 0;
    [[nodiscard]] virtual step_cost cost() const = 0;
};

// A step that produces its output row by row, from rows of its input. A row does not depend on other rows of the
// output.
class row_step : public bound_step {
public:
    struct span {
        std::int32_t from = 0, to = 0;
    };
    [[nodiscard]] virtual std::int32_t rows() const = 0;
    // The existing input rows that output row `y` needs; neither end decreases as y grows.
    [[nodiscard]] virtual span needs(std::int32_t y) const = 0;
    // Call it before the first run_row with that scratch memory, and before each next picture.
    virtual void begin(float* scratch) const = 0;
    // Rows must come in order; `scratch` carries state to the next row.
    virtual void run_row(std::int32_t picture, std::int32_t y, float* scratch) const = 0;
};

// Combines row steps, each of which reads the output of the previous one: rows are produced on demand, so that only a
// few rows of the maps in between are kept (map_place::kept), which stay in the first-level caches.
[[nodiscard]] std::unique_ptr<bound_step> stream_rows(std::vector<std::unique_ptr<row_step>> links);
// The rows that such a map needs for any kernel and stride.
constexpr std::int32_t streamed_rows = 4;

// One or more steps of the plan that run together, with packed weights.
class packed_step {
public:
    virtual ~packed_step() = default;
    // `weights` and `places` outlive the result; any input size.
    [[nodiscard]] virtual std::unique_ptr<bound_step> bind(const tensor_places& places,
                                                           const weight_store& weights) const = 0;

    std::int32_t first_step = 0, last_step = 0;  // range of plan steps
    std::vector<tensor_index> maps_read, maps_written;
    // bind returns a row_step whose input rows come from map `rows_from`; -1: from the input.
    bool by_rows = false;
    tensor_index rows_from = -1;
};

// The context of packing.
struct packing {
    const plan& of;
    const kernel_set& kernels;
    weight_store& to;
    host_precision in_what = host_precision::fp32;
};

// Each function is for convolutions that fit it. This one: 1 x 1, with or without a depthwise convolution or a pooling
// before it.
[[nodiscard]] std::unique_ptr<packed_step> pack_pointwise(const packing& with, const plan_convolution& c);
// Convolutions of the input, or 3 x 3: row by row, with zeros around.
[[nodiscard]] std::unique_ptr<packed_step> pack_direct(const packing& with, const plan_convolution& c);
// 3 x 3 of stride 1 by Winograd; several that read the same map in one pass.
[[nodiscard]] bool fits_winograd(const plan_convolution& c);
[[nodiscard]] std::unique_ptr<packed_step> pack_winograd(const packing& with,
                                                         const std::vector<const plan_convolution*>& together);
// Copies the input's pixels into map `y` of three channels.
[[nodiscard]] std::unique_ptr<packed_step> pack_input(const packing& with, tensor_index y);
[[nodiscard]] std::unique_ptr<packed_step> pack_head(const packing& with, const plan_head& h);
[[nodiscard]] std::unique_ptr<packed_step> pack_dense(const packing& with, const plan_dense& d);
[[nodiscard]] std::unique_ptr<packed_step> pack_attention(const packing& with, const plan_attention& a);
[[nodiscard]] std::unique_ptr<packed_step> pack_landmarks(const packing& with, const plan_landmarks& l);
[[nodiscard]] std::unique_ptr<packed_step> pack_mixer(const packing& with, const plan_mixer& m);

// Bytes of a map.
[[nodiscard]] inline double bytes_of(const tensor_places::map_place& m) {
    return 4.0 * m.size.height * m.size.width * m.channels;
}

}  // namespace faceflow::internal::inference::cpu
