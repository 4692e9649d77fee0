// SPDX-License-Identifier: Apache-2.0
// Selects kernels for the steps of a plan. Steps that one kernel runs together are claimed first, by functions that
// recognise their shape; the rest get a kernel of the step's exact size, or one for any size. Private to
// src/inference/kernels.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "inference/kernels/network.hpp"
#include "inference/kernels/packing.hpp"

namespace faceflow::internal::inference::kernels {

// The offsets of a convolution's weights in the store.
struct packed_weights {
    std::size_t depthwise = 0, depthwise_bias = 0, weights = 0, bias = 0, slopes = 0;
};

// The context module of a detector's level: from a map of 64 channels, `direct` (32) and `context` (16); from the
// latter, `near` (16) and `middle` (16); from that, `far` (16). The head reads direct, near and far as one map.
struct level_module {
    std::int32_t direct = -1, context = -1, near = -1, middle = -1, far = -1, head = -1;  // steps
};

class builder {
public:
    builder(const plan& p, const card& d);

    // Builds everything. errc::unsupported names the step that fits no kernel.
    [[nodiscard]] result<void> build();
    [[nodiscard]] std::vector<operation> take_operations() { return std::move(operations_); }
    [[nodiscard]] std::vector<std::byte> take_weights() { return store_.take(); }

private:
    // Each claims the steps of its kernels, if they exist and fit the card (fused_*.cpp, mesh_steps.cpp).
    void claim_stem(std::int32_t first);
    void claim_stage(std::int32_t first);
    void claim_body(std::int32_t first);
    void claim_looks(std::int32_t attention);
    void claim_points(std::int32_t landmarks);
    void claim_levels();
    void claim_modules(std::span<const level_module> modules);
    // One step (single_steps.cpp, mesh_steps.cpp, mixer_step.cpp).
    [[nodiscard]] result<void> add(std::int32_t step);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_convolution& c);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_head& h);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_dense& d);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_attention& a);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_landmarks& l);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_mixer& m);
    bool add_block(std::int32_t step, const plan_convolution& c);
    template <class Kernel>
    void add_first(std::int32_t step, const plan_convolution& c);
    void add_any_block(std::int32_t step, const plan_convolution& c);
    void add_any_convolution(std::int32_t step, const plan_convolution& c);
    bool add_single_level(std::int32_t step, const plan_convolution& c);

    // The step's convolution, or null if it is none or already claimed.
    [[nodiscard]] const plan_convolution* convolution(std::int32_t step) const;
    [[nodiscard]] const std::vector<std::int32_t>& readers(tensor_index map) const {
        return readers_[static_cast<std::size_t>(map)];
    }
    [[nodiscard]] const std::vector<std::int32_t>& writers(tensor_index map) const {
        return writers_[static_cast<std::size_t>(map)];
    }
    // The only step that reads a map; -1 if there are several.
    [[nodiscard]] std::int32_t only_reader(tensor_index map) const;
    [[nodiscard]] const plan_map& map(tensor_index i) const { return plan_.maps[static_cast<std::size_t>(i)]; }

    // The shape of a chain's step, as its kernel defines it.
    struct shape {
        int inputs, outputs, side, stride;
        chain_join join;
        int bytes;
    };
    template <class... Steps>
    [[nodiscard]] static std::vector<shape> shapes_of(chain_of<Steps...>);
    [[nodiscard]] bool fits(const plan_convolution& c, const shape& s) const;
    // The steps of these shapes from `first` on, each the only reader of the previous one; empty if they do not match.
    [[nodiscard]] std::vector<std::int32_t> follow(std::int32_t first, const std::vector<shape>& shapes) const;
    [[nodiscard]] std::size_t pack_chain(const std::vector<std::int32_t>& steps, const std::vector<shape>& shapes);

    [[nodiscard]] packed_weights pack(const plan_convolution& c, int inputs, int outputs, input_order order);
    [[nodiscard]] std::size_t pack_bias(const plan_slice& bias, int outputs);
    [[nodiscard]] std::vector<float> slopes(const plan_convolution& c, int outputs) const;
    // Packs two dense convolutions of the same map as one: the second's outputs follow the first's.
    [[nodiscard]] packed_weights pack_joined(const plan_convolution& a, const plan_convolution& b);
    [[nodiscard]] std::size_t pack_first(const plan_convolution& c, int outputs);

    // The content of one operation.
    struct claim {
        std::vector<std::int32_t> steps;
        std::vector<tensor_index> inner_maps, inner_vectors;  // never leave its kernel
        std::function<void(const binding_memory&, std::int32_t pictures, std::vector<launch>&)> add;
    };
    void accept(claim c);
    // Whether each operation's inputs are produced before it.
    [[nodiscard]] bool in_order() const;

    const plan& plan_;
    const card& card_;
    weight_store store_;
    std::vector<std::vector<std::int32_t>> readers_, writers_;  // by map: steps
    std::vector<bool> claimed_;
    std::vector<operation> operations_;
};

template <class... Steps>
std::vector<builder::shape> builder::shapes_of(chain_of<Steps...>) {
    std::vector<shape> all;
    const auto add = [&]<class Step>(Step) {
        for (int i = 0; i < Step::times; ++i)
            all.push_back({Step::inputs, Step::outputs, Step::side, Step::stride, Step::join, Step::bytes});
    };
    (add(Steps{}), ...);
    return all;
}

// Adds a launch of `Kernel`.
template <class Kernel>
void add_launch(std::vector<launch>& to, std::int32_t grid_x, std::int32_t grid_y, std::size_t shared_bytes,
                const typename Kernel::parameters& p) {
    static_assert(sizeof p <= max_parameter_bytes);
    launch& l = to.emplace_back();
    l.kernel = id_of<Kernel>();
    l.grid_x = grid_x;
    l.grid_y = grid_y;
    l.threads = Kernel::threads;
    l.shared_bytes = shared_bytes;
    l.parameter_bytes = sizeof p;
    std::memcpy(l.parameters.data(), &p, sizeof p);
}

[[nodiscard]] join_kind kind_of(joining j);
// The map that a convolution joins.
[[nodiscard]] joined_map joined_of(const plan_convolution& c, const binding_memory& m);
[[nodiscard]] inline std::int32_t pixels_of(plan::extent e) {
    return e.height * e.width;
}

}  // namespace faceflow::internal::inference::kernels
