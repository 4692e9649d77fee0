// SPDX-License-Identifier: Apache-2.0
// The steps of a plan for the CPU: packed once a network, and bound to the memory of a binding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "inference/cpu/kernels.hpp"
#include "inference/cpu/packing.hpp"
#include "inference/plan.hpp"

namespace faceflow::inference::cpu {

// Where the tensors of a binding lie. The input of picture i and its vectors lie behind those of the first; maps are of
// whichever picture is under way.
struct tensor_places {
    struct map_place {
        float* data = nullptr;
        plan::extent size;
        std::int32_t channels = 0, stored = 0;
        std::int32_t kept = 0;  // rows that there is memory for: all, or the last few

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
    const float* input = nullptr;  // [pictures][3][height][width]
    plan::extent input_size;
    const float* zeros = nullptr;  // as many as the longest row of a map

    [[nodiscard]] const map_place& map(tensor_index i) const { return maps[static_cast<std::size_t>(i)]; }
    [[nodiscard]] const vector_place& vector(tensor_index i) const { return vectors[static_cast<std::size_t>(i)]; }
    [[nodiscard]] const float* input_of(std::int32_t picture) const {
        return input + std::ptrdiff_t{3} * picture * input_size.height * input_size.width;
    }
};

// What a step cannot do without, for one picture.
struct step_cost {
    double operations = 0;  // multiplications and additions, two to a weight
    double bytes = 0;       // of tensors and weights, each once where it is read and where it is written
};

// A step with its addresses. Its work has parts that touch different outputs: they may run in any order, or at the same time with
// scratch memory each and, of a row_step that passes rows on, memory for those rows; what they write depends on neither.
// Plain memory: no part allocates.
class bound_step {
public:
    virtual ~bound_step() = default;
    [[nodiscard]] virtual std::int32_t parts() const = 0;
    // Floats of scratch memory that a call of run takes.
    [[nodiscard]] virtual std::size_t scratch() const { return 0; }
    // Parts `from` to `to` - 1 of a picture.
    virtual void run(std::int32_t picture, std::int32_t from, std::int32_t to, float* scratch) const = 0;
    [[nodiscard]] virtual step_cost cost() const = 0;
};

// A step that makes its output row by row, from rows of its input. A row needs no other row of the output.
class row_step : public bound_step {
public:
    struct span {
        std::int32_t from = 0, to = 0;
    };
    [[nodiscard]] virtual std::int32_t rows() const = 0;
    // Rows of the input that output row `y` needs, of those that there are; neither end falls as y grows.
    [[nodiscard]] virtual span needs(std::int32_t y) const = 0;
    // To be called before the first run_row on that scratch memory, and before the next picture's.
    virtual void begin(float* scratch) const = 0;
    // Rows come in order; what lies in `scratch` stays for the next.
    virtual void run_row(std::int32_t picture, std::int32_t y, float* scratch) const = 0;
};

// Row steps of which each reads what the one before makes, as one: rows are made as they are needed, so that of the maps between
// them a few are enough (map_place::kept), which stay in the first caches.
[[nodiscard]] std::unique_ptr<bound_step> stream_rows(std::vector<std::unique_ptr<row_step>> links);
// Rows that such a map needs, whatever kernels and strides.
constexpr std::int32_t streamed_rows = 4;

// A step, or some of the plan's in one go, with its weights packed.
class packed_step {
public:
    virtual ~packed_step() = default;
    // `weights` and `places` outlive what is bound, which may be used with any input size.
    [[nodiscard]] virtual std::unique_ptr<bound_step> bind(const tensor_places& places,
                                                           const weight_store& weights) const = 0;

    std::int32_t first_step = 0, last_step = 0;  // of the plan
    std::vector<tensor_index> maps_read, maps_written;
    // What it binds is a row_step, whose rows come from map `rows_from`; -1: from the input.
    bool by_rows = false;
    tensor_index rows_from = -1;
};

// What packing takes.
struct packing {
    const plan& of;
    const kernel_set& kernels;
    weight_store& to;
    host_precision in_what = host_precision::fp32;
};

// Each for a convolution that it fits.
// 1 x 1, with or without a depthwise convolution or a pooling before it.
[[nodiscard]] std::unique_ptr<packed_step> pack_pointwise(const packing& with, const plan_convolution& c);
// Of the input, or 3 x 3: row by row, with zeros around.
[[nodiscard]] std::unique_ptr<packed_step> pack_direct(const packing& with, const plan_convolution& c);
// 3 x 3 of stride 1 by Winograd's way, some that look at the same map in one go.
[[nodiscard]] bool fits_winograd(const plan_convolution& c);
[[nodiscard]] std::unique_ptr<packed_step> pack_winograd(const packing& with,
                                                         const std::vector<const plan_convolution*>& together);
// Puts the input's pixels into map `y` of three channels.
[[nodiscard]] std::unique_ptr<packed_step> pack_input(const packing& with, tensor_index y);
[[nodiscard]] std::unique_ptr<packed_step> pack_head(const packing& with, const plan_head& h);
[[nodiscard]] std::unique_ptr<packed_step> pack_dense(const packing& with, const plan_dense& d);
[[nodiscard]] std::unique_ptr<packed_step> pack_attention(const packing& with, const plan_attention& a);
[[nodiscard]] std::unique_ptr<packed_step> pack_landmarks(const packing& with, const plan_landmarks& l);

// Bytes of a map.
[[nodiscard]] inline double bytes_of(const tensor_places::map_place& m) {
    return 4.0 * m.size.height * m.size.width * m.channels;
}

}  // namespace faceflow::inference::cpu
