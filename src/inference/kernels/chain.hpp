// SPDX-License-Identifier: Apache-2.0
// A sequence of blocks in one kernel: a block of threads takes one picture (and, selected by block_y(), a branch)
// through all of them in shared memory. For small maps, where one kernel per block would be too short. Maps have a
// border of zeros; the next block's weights are prefetched while this block is computed.
#pragma once

#include "inference/kernels/attention.hpp"
#include "inference/kernels/chain_step.hpp"

namespace faceflow::internal::inference::kernels {

enum class chain_source : std::uint8_t { map, attention };
enum class chain_target : std::uint8_t { map, points };

// The dense layer that computes a branch's points from its last map, of `point_inputs` halves: weights [inputs /
// 8][160][8].
constexpr int max_outputs = 160, point_inputs = 128;
constexpr int point_weight_bytes = point_inputs * max_outputs * 2;

struct chain_branch {
    const half* x;
    half* y;
    const std::byte* weights;  // of all steps, one after another
    // With points: weights and bias of the dense layer, its number of outputs, where each point goes, and by which
    // transform.
    const std::byte* point_weights;
    const float* point_bias;
    const std::int32_t* targets;
    int outputs, head;
};

struct chain_parameters {
    chain_branch branches[max_branches];
    attention_parameters attention;  // the heads' maps are unused
    mesh_geometry geometry;
};

template <chain_source Source, chain_target Target, class... Steps>
struct chain_kernel {
    using parameters = chain_parameters;
    using all = chain_of<Steps...>;
    using first = typename first_step<Steps...>::type;
    using last = typename last_step<Steps...>::type;
    static constexpr int threads = chain_threads;
    static constexpr int weight_bytes = larger_of(all::bytes, Target == chain_target::points ? point_weight_bytes : 0);
    static constexpr std::size_t shared_bytes =
        (2 * all::map + all::rows) * sizeof(half) + 2 * weight_bytes + (transform_floats + max_outputs) * sizeof(float);

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half* const maps = reinterpret_cast<half*>(shared_memory());
        half* const rows = maps + 2 * all::map;
        std::byte* const weights = reinterpret_cast<std::byte*>(rows + all::rows);
        float* const transform = reinterpret_cast<float*>(weights + 2 * weight_bytes);
        float* const points = transform + transform_floats;
        const chain_branch& b = p.branches[block_y()];
        const int picture = block_x();
        chain_state s{maps, maps + all::map, rows, weights, weights + weight_bytes, b.weights + first::bytes};
        fetch(s.weights, b.weights, first::bytes);
        clear_border<first::side, first::inputs>(s.map);
        point_aim aim;
        if constexpr (Target == chain_target::points) aim.target = target_of(b);
        if constexpr (Source == chain_source::attention) {
            attend(p.attention, s.map, transform, picture);
        } else {
            wait_for_previous_kernel();
            fetch_map(b, s.map, picture);
        }
        if constexpr (Target == chain_target::points)
            aim.depth = take_aim(p.geometry, b, transform, picture, aim.target);
        wait_for_copies();
        barrier();
        all_steps<Steps...>(s, Target == chain_target::points ? b.point_weights : nullptr);
        let_next_kernel_start();
        if constexpr (Target == chain_target::points) {
            find_points(s, b, points);
            barrier();
            put_points(p.geometry, aim, transform, points, picture);
        } else {
            keep(b, s.map, picture);
        }
    }

private:
    // The destination and depth of the thread's point.
    struct point_aim {
        std::int32_t target = -1;
        float depth = 0;
    };

    template <class Step, class... Rest>
    static FACEFLOW_DEVICE void all_steps(chain_state& s, const std::byte* behind) {
        int next = 0;  // bytes of the next weights
        if constexpr (sizeof...(Rest) > 0) {
            next = first_step<Rest...>::type::bytes;
        } else if constexpr (Target == chain_target::points) {
            next = point_weight_bytes;
        }
        FACEFLOW_NO_UNROLL
        for (int i = 0; i < Step::times; ++i) {
            const bool again = i + 1 < Step::times;
            if (sizeof...(Rest) == 0 && !again) s.to_come = behind;
            chain_work<Step>::run(s, again ? Step::bytes : next);
        }
        if constexpr (sizeof...(Rest) > 0) all_steps<Rest...>(s, behind);
    }

    static FACEFLOW_DEVICE void fetch_map(const chain_branch& b, half* map, int picture) {
        constexpr int of_8 = first::inputs / 8, pixels = first::side * first::side;
        const half* const x = b.x + static_cast<std::size_t>(picture) * pixels * first::inputs;
        for (int i = thread(); i < pixels * of_8; i += threads)
            copy_async(reinterpret_cast<half8*>(map + bordered<first::side, first::inputs>(i / of_8) + i % of_8 * 8),
                       reinterpret_cast<const half8*>(x + static_cast<std::size_t>(i) * 8));
    }

    static FACEFLOW_DEVICE void keep(const chain_branch& b, const half* map, int picture) {
        constexpr int of_8 = last::outputs / 8, pixels = last::pixels;
        half* const y = b.y + static_cast<std::size_t>(picture) * pixels * last::outputs;
        for (int i = thread(); i < pixels * of_8; i += threads)
            store8(y + static_cast<std::size_t>(i) * 8,
                   load8(map + bordered<last::out_side, last::outputs>(i / of_8) + i % of_8 * 8));
    }

    // Samples the chain's first map: what the branch's head attends to.
    static FACEFLOW_DEVICE void attend(const attention_parameters& a, half* map, float* transform, int picture) {
        constexpr int of_8 = first::inputs / 8, samples = first::side * first::side;
        constexpr int own = samples * of_8 / threads;
        static_assert(samples * of_8 % threads == 0);
        float grid[own][4];
        FACEFLOW_UNROLL
        for (int k = 0; k < own; ++k) {
            FACEFLOW_UNROLL
            for (int j = 0; j < 4; ++j)
                grid[k][j] = load_constant(a.grid + j * samples + (thread() + k * threads) / of_8);
        }
        wait_for_previous_kernel();
        const float* const base = a.base + static_cast<std::size_t>(picture) * a.base_length;
        if (thread() < warp_threads)
            find_transform(a.heads[block_y()], base, a.scale, a.reach, a.side, thread(), transform);
        barrier();
        if (thread() < transform_floats)
            a.transforms[(static_cast<std::size_t>(picture) * a.count + block_y()) * transform_floats + thread()] =
                transform[thread()];
        const half* const x = a.x + static_cast<std::size_t>(picture) * a.height * a.width * first::inputs;
        FACEFLOW_UNROLL
        for (int k = 0; k < own; ++k) {
            const int i = thread() + k * threads, g = i % of_8;
            store8(map + bordered<first::side, first::inputs>(i / of_8) + g * 8,
                   sample(x + g * 8, a.height, a.width, first::inputs, transform, grid[k]));
        }
    }

    static FACEFLOW_DEVICE std::int32_t target_of(const chain_branch& b) {
        return thread() < b.outputs / 2 ? load_constant(b.targets + thread()) : -1;
    }
    static FACEFLOW_DEVICE float take_aim(const mesh_geometry& g, const chain_branch& b, float* transform, int picture,
                                          std::int32_t target) {
        if (thread() < transform_floats)
            transform[thread()] = load(
                g.transforms + (static_cast<std::size_t>(picture) * g.heads + b.head) * transform_floats + thread());
        return target >= 0 ? refined_depth(g, g.base + static_cast<std::size_t>(picture) * g.base_length, target) : 0;
    }

    static FACEFLOW_DEVICE void find_points(const chain_state& s, const chain_branch& b, float* points) {
        static_assert(Target != chain_target::points || last::pixels * last::outputs == point_inputs);
        constexpr int of_8 = last::outputs / 8;
        const half8* const weights = reinterpret_cast<const half8*>(s.weights);
        if (thread() >= b.outputs) return;
        float sum = load_constant(b.point_bias + thread());
        FACEFLOW_UNROLL_4
        for (int k = 0; k < point_inputs / 8; ++k) {
            float w[8], v[8];
            to_floats(load(weights + k * max_outputs + thread()), w);
            to_floats(load8(s.map + bordered<last::out_side, last::outputs>(k / of_8) + k % of_8 * 8), v);
            FACEFLOW_UNROLL
            for (int e = 0; e < 8; ++e)
                sum = fused_multiply_add(w[e], v[e], sum);
        }
        points[thread()] = sum;
    }

    static FACEFLOW_DEVICE void put_points(const mesh_geometry& g, const point_aim& aim, const float* transform,
                                           const float* points, int picture) {
        float* const landmarks = g.landmarks + static_cast<std::size_t>(picture) * 3 * all_landmarks;
        if (aim.target >= 0)
            put_point(g, transform, landmarks, aim.target, points[2 * thread()], points[2 * thread() + 1], aim.depth);
        if (block_y() == 0)
            put_rest(g, g.base + static_cast<std::size_t>(picture) * g.base_length, landmarks, picture, threads);
    }
};

// The chains of the attention mesh: its body from 12 x 12 on, the one for each square, and the one that finds its
// points.
using body_chain =
    chain_kernel<chain_source::map, chain_target::map, chain_step<128, 128, 12, 2, chain_join::pooled>,
                 chain_step<128, 128, 6, 1, chain_join::same, 2>, chain_step<128, 128, 6, 2, chain_join::pooled>,
                 chain_step<128, 128, 3, 1, chain_join::same, 2>, chain_step<128, 32, 3, 0, chain_join::none>,
                 chain_step<32, 32, 3, 1, chain_join::same>>;
using look_chain =
    chain_kernel<chain_source::attention, chain_target::map, chain_step<32, 32, 16, 1, chain_join::same, 2>,
                 chain_step<32, 64, 16, 2, chain_join::pooled>, chain_step<64, 64, 8, 1, chain_join::same, 2>,
                 chain_step<64, 128, 8, 2, chain_join::pooled>>;
using point_chain =
    chain_kernel<chain_source::map, chain_target::points, chain_step<128, 128, 4, 1, chain_join::same, 2>,
                 chain_step<128, 128, 4, 2, chain_join::pooled>, chain_step<128, 128, 2, 1, chain_join::same, 2>,
                 chain_step<128, 32, 2, 0, chain_join::none>, chain_step<32, 32, 2, 1, chain_join::same>>;

}  // namespace faceflow::internal::inference::kernels
