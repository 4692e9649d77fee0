// SPDX-License-Identifier: Apache-2.0
// Finds kernels for the steps of a plan. Steps that one kernel does together are claimed first, by those who know its
// shape; what is left goes to a kernel of the step's very size, or to one for any size. For src/inference/kernels
// alone.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "inference/kernels/network.hpp"
#include "inference/kernels/packing.hpp"

namespace faceflow::inference::kernels {

// Weights of a convolution in the store, by where they begin.
struct packed_weights {
    std::size_t depthwise = 0, depthwise_bias = 0, weights = 0, bias = 0, slopes = 0;
};

// The context module of a detector's level: of a map of 64 channels `direct` (32) and `context` (16), of that `near`
// (16) and `middle` (16), and of that `far` (16). Direct, near and far side by side are what the head looks at.
struct level_module {
    std::int32_t direct = -1, context = -1, near = -1, middle = -1, far = -1, head = -1;  // steps
};

class builder {
public:
    builder(const plan& p, const card& d);

    // Everything. errc::unsupported names the step that no kernel fits.
    [[nodiscard]] result<void> build();
    [[nodiscard]] std::vector<operation> take_operations() { return std::move(operations_); }
    [[nodiscard]] std::vector<std::byte> take_weights() { return store_.take(); }

private:
    // Each claims the steps of its kernels, if they are there and the card has the room (fused_*.cpp, mesh_steps.cpp).
    void claim_stem(std::int32_t first);
    void claim_stage(std::int32_t first);
    void claim_body(std::int32_t first);
    void claim_looks(std::int32_t attention);
    void claim_points(std::int32_t landmarks);
    void claim_levels();
    void claim_modules(std::span<const level_module> modules);
    // One step (single_steps.cpp, mesh_steps.cpp).
    [[nodiscard]] result<void> add(std::int32_t step);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_convolution& c);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_head& h);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_dense& d);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_attention& a);
    [[nodiscard]] result<void> add(std::int32_t step, const plan_landmarks& l);
    bool add_block(std::int32_t step, const plan_convolution& c);
    void add_first(std::int32_t step, const plan_convolution& c);
    void add_any_block(std::int32_t step, const plan_convolution& c);
    void add_any_convolution(std::int32_t step, const plan_convolution& c);
    bool add_single_level(std::int32_t step, const plan_convolution& c);

    // Of the plan's step, if it is a convolution that nobody has claimed.
    [[nodiscard]] const plan_convolution* convolution(std::int32_t step) const;
    [[nodiscard]] const std::vector<std::int32_t>& readers(tensor_index map) const {
        return readers_[static_cast<std::size_t>(map)];
    }
    [[nodiscard]] const std::vector<std::int32_t>& writers(tensor_index map) const {
        return writers_[static_cast<std::size_t>(map)];
    }
    // The one step that reads a map; -1 where there are several.
    [[nodiscard]] std::int32_t only_reader(tensor_index map) const;
    [[nodiscard]] const plan_map& map(tensor_index i) const { return plan_.maps[static_cast<std::size_t>(i)]; }

    // A step of a chain, as its kernel has it.
    struct shape {
        int inputs, outputs, side, stride;
        chain_join join;
        int bytes;
    };
    template <class... Steps>
    [[nodiscard]] static std::vector<shape> shapes_of(chain_of<Steps...>);
    [[nodiscard]] bool fits(const plan_convolution& c, const shape& s) const;
    // The steps that are so shaped, from that one on, each the only reader of the one before; empty if they are not.
    [[nodiscard]] std::vector<std::int32_t> follow(std::int32_t first, const std::vector<shape>& shapes) const;
    [[nodiscard]] std::size_t pack_chain(const std::vector<std::int32_t>& steps, const std::vector<shape>& shapes);

    [[nodiscard]] packed_weights pack(const plan_convolution& c, int inputs, int outputs, input_order order);
    [[nodiscard]] std::size_t pack_bias(const plan_slice& bias, int outputs);
    [[nodiscard]] std::vector<float> slopes(const plan_convolution& c, int outputs) const;
    // Of two dense convolutions of the same map, as one: the outputs of the second behind those of the first.
    [[nodiscard]] packed_weights pack_joined(const plan_convolution& a, const plan_convolution& b);
    [[nodiscard]] std::size_t pack_first(const plan_convolution& c, int outputs);

    // What one operation does.
    struct claim {
        std::vector<std::int32_t> steps;
        std::vector<tensor_index> inner_maps, inner_vectors;  // that never leave its kernel
        std::function<void(const binding_memory&, std::int32_t pictures, std::vector<launch>&)> add;
    };
    void accept(claim c);
    // Whether each operation finds what it reads.
    [[nodiscard]] bool in_order() const;

    const plan& plan_;
    const card& card_;
    weight_store store_;
    std::vector<std::vector<std::int32_t>> readers_, writers_;  // of maps: steps
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

// A launch of `Kernel`.
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
// Of what a convolution joins.
[[nodiscard]] joined_map joined_of(const plan_convolution& c, const binding_memory& m);
[[nodiscard]] inline std::int32_t pixels_of(plan::extent e) {
    return e.height * e.width;
}

}  // namespace faceflow::inference::kernels
