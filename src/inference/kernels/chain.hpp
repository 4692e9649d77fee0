// A row of blocks in one kernel: a block of threads takes a picture (and, by its block_y(), a branch) through all of them, in shared
// memory. For small maps, where a kernel for each would be too short. Maps have a border of zeros; the weights of the next block are on
// their way while this one is worked on.
#pragma once

#include <initializer_list>

#include "inference/kernels/attention.hpp"

namespace faceflow::inference::kernels {

enum class chain_source : std::uint8_t { map, attention };
enum class chain_target : std::uint8_t { map, points };
enum class chain_join : std::uint8_t { none, same, pooled };

constexpr int most_chain_steps = 10, chain_threads = 256;
constexpr int chain_alignment = 256;  // of a step's parts

// A block of a square map: depthwise 3 x 3 of `Stride` (0: none), 1 x 1, the joined map, PReLU; `Times` in a row.
template <int Inputs, int Outputs, int Side, int Stride, chain_join Join, int Times = 1>
struct chain_step {
    static constexpr int inputs = Inputs, outputs = Outputs, side = Side, stride = Stride, times = Times;
    static constexpr chain_join join = Join;
    static constexpr int out_side = Stride == 2 ? Side / 2 : Side, pixels = out_side * out_side;
    static_assert(Times == 1 || (Inputs == Outputs && Stride == 1));
    // Where the parts of its weights lie, in bytes.
    static constexpr int depthwise_bias = Stride > 0 ? round_up(Inputs * 9 * 2, chain_alignment) : 0;
    static constexpr int weights = Stride > 0 ? depthwise_bias + round_up(Inputs * 4, chain_alignment) : 0;
    static constexpr int bias = weights + round_up(Inputs * Outputs * 2, chain_alignment);
    static constexpr int slopes = bias + round_up(Outputs * 4, chain_alignment);
    static constexpr int bytes = slopes + round_up(Outputs * 4, chain_alignment);
    // Halves of its maps, and of what the product takes.
    static constexpr int map =
        larger_of((Side + 2) * (Side + 2) * (Inputs + 8), (out_side + 2) * (out_side + 2) * (Outputs + 8));
    static constexpr int rows = Stride > 0 ? round_up(pixels, 16) * (Inputs + 8) : 0;
};

template <class... Steps>
struct chain_of {
    static constexpr int most(std::initializer_list<int> of) {
        int v = 0;
        for (const int i : of)
            v = larger_of(v, i);
        return v;
    }
    static constexpr int map = round_up(most({Steps::map...}), 8), rows = round_up(most({Steps::rows...}), 8);
    static constexpr int bytes = most({Steps::bytes...});
    static constexpr int steps = (Steps::times + ...);
};
template <class First, class... Rest>
struct first_step {
    using type = First;
};
template <class First, class... Rest>
struct last_step : last_step<Rest...> {};
template <class Last>
struct last_step<Last> {
    using type = Last;
};

// The dense layer that makes a branch's points of its last map, of `point_inputs` halves: weights [inputs / 8][160][8].
constexpr int most_outputs = 160, point_inputs = 128;
constexpr int point_weight_bytes = point_inputs * most_outputs * 2;

struct chain_branch {
    const half* x;
    half* y;
    const std::byte* weights;  // of all steps, one behind the other
    // With points: weights and bias of the dense layer, how many outputs it has, where each point goes, and by which transform.
    const std::byte* point_weights;
    const float* point_bias;
    const std::int32_t* targets;
    int outputs, head;
};

struct chain_parameters {
    chain_branch branches[most_branches];
    attention_parameters attention;  // of which the heads' maps are not used
    mesh_geometry geometry;
};

template <int Side, int Channels>
FACEFLOW_DEVICE int bordered(int pixel) {
    return ((pixel / Side + 1) * (Side + 2) + pixel % Side + 1) * (Channels + 8);
}

template <int Side, int Channels>
FACEFLOW_DEVICE void clear_border(half* map) {
    constexpr int width = Side + 2, of_8 = Channels / 8;
    for (int i = thread(); i < (4 * Side + 4) * of_8; i += chain_threads) {
        const int g = i % of_8;
        int k = i / of_8, y = 0, x = 0;
        if (k < 2 * width) {
            y = k / width * (width - 1);
            x = k % width;
        } else {
            k -= 2 * width;
            y = 1 + k / 2;
            x = k % 2 * (width - 1);
        }
        store8(map + (y * width + x) * (Channels + 8) + g * 8, half8{0, 0, 0, 0});
    }
}

FACEFLOW_DEVICE void fetch(std::byte* to, const std::byte* from, int bytes) {
    for (int i = thread() * 16; i < bytes; i += chain_threads * 16)
        copy_async(reinterpret_cast<half8*>(to + i), reinterpret_cast<const half8*>(from + i));
}

// What a block of threads works in.
struct chain_state {
    half *map, *other_map, *rows;
    std::byte *weights, *next_weights;
    const std::byte* to_come;  // the weights behind those of this step

    FACEFLOW_DEVICE void swap_maps() {
        half* const t = map;
        map = other_map;
        other_map = t;
    }
    FACEFLOW_DEVICE void swap_weights() {
        std::byte* const t = weights;
        weights = next_weights;
        next_weights = t;
    }
};

template <class Step>
struct chain_work {
    static constexpr int inputs = Step::inputs, outputs = Step::outputs, side = Step::side, out_side = Step::out_side;
    static constexpr int stride = inputs + 8, width = side + 2, steps = inputs / channel_step;
    static constexpr int warps = chain_threads / warp_threads;
    // Warps side by side over channels, then over tiles of 16 pixels.
    static constexpr int tiles = divide_up(Step::pixels, 16), all_groups = outputs / channel_step;
    static constexpr int groups = all_groups == 8 && tiles > 1 ? 2 : 1;
    static constexpr int channel_warps = all_groups / groups, tile_warps = warps / channel_warps;

    // `next_bytes`: of the weights of what comes next.
    static FACEFLOW_DEVICE void run(chain_state& s, int next_bytes) {
        fetch(s.next_weights, s.to_come, next_bytes);
        s.to_come += next_bytes;
        if constexpr (Step::join != chain_join::same) clear_border<out_side, outputs>(s.other_map);
        if constexpr (Step::stride > 0) {
            depthwise(s);
            barrier();
        }
        product(s);
        if constexpr (Step::join != chain_join::same) s.swap_maps();
        s.swap_weights();
        wait_for_copies();
        barrier();
    }

private:
    static FACEFLOW_DEVICE void depthwise(const chain_state& s) {
        // As many pixels side by side as leave work for all threads.
        constexpr int of_8 = inputs / 8, by = Step::stride;
        constexpr int run = by == 1 && out_side % 4 == 0 && Step::pixels * of_8 / 4 >= chain_threads ? 4
                            : out_side % 2 == 0 && Step::pixels * of_8 / 2 >= chain_threads          ? 2
                                                                                                     : 1;
        constexpr int columns = (run - 1) * by + 3;
        // Of a map that is halved, windows begin at the pixel itself; else at the one before it.
        constexpr int begin = by == 2 ? 1 : 0;
        const half* const taps = reinterpret_cast<const half*>(s.weights);
        const float* const bias = reinterpret_cast<const float*>(s.weights + Step::depthwise_bias);
        for (int i = thread(); i < Step::pixels / run * of_8; i += chain_threads) {
            const int g = i % of_8, m = i / of_8 * run, y = m / out_side, x = m % out_side;
            const half* const at = s.map + ((y * by + begin) * width + x * by + begin) * stride + g * 8;
            const float4* const b = reinterpret_cast<const float4*>(bias + g * 8);
            const half8 start = to_halves(load(b), load(b + 1));
            half8 sums[run];
            FACEFLOW_UNROLL
            for (int k = 0; k < run; ++k)
                sums[k] = start;
            FACEFLOW_UNROLL
            for (int ky = 0; ky < 3; ++ky) {
                half8 in[columns], w[3];
                FACEFLOW_UNROLL
                for (int j = 0; j < columns; ++j)
                    in[j] = load8(at + (ky * width + j) * stride);
                FACEFLOW_UNROLL
                for (int k = 0; k < 3; ++k)
                    w[k] = load8(taps + (ky * 3 + k) * inputs + g * 8);
                FACEFLOW_UNROLL
                for (int j = 0; j < run; ++j) {
                    FACEFLOW_UNROLL
                    for (int k = 0; k < 3; ++k)
                        sums[j] = multiply_add(in[j * by + k], w[k], sums[j]);
                }
            }
            FACEFLOW_UNROLL
            for (int k = 0; k < run; ++k)
                store8(s.rows + (m + k) * stride + g * 8, sums[k]);
        }
    }

    static FACEFLOW_DEVICE void product(const chain_state& s) {
        const place me = my_place();
        const int first_channel = me.warp % channel_warps * groups * channel_step + me.quarter * 4;
        half8 weights[groups][steps];
        float4 bias[groups];
        half4 slopes[groups];
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int group = me.warp % channel_warps * groups + g, channel = first_channel + g * channel_step;
            const half8* const from =
                reinterpret_cast<const half8*>(s.weights + Step::weights) + group * steps * warp_threads + me.lane;
            FACEFLOW_UNROLL
            for (int k = 0; k < steps; ++k)
                weights[g][k] = load(from + k * warp_threads);
            bias[g] = load(reinterpret_cast<const float4*>(s.weights + Step::bias) + channel / 4);
            slopes[g] = to_halves(load(reinterpret_cast<const float4*>(s.weights + Step::slopes) + channel / 4));
        }
        for (int tile = me.warp / channel_warps; tile < tiles; tile += tile_warps) {
            const int row = tile * 16 + me.lane % 16;
            const half* const from = (Step::stride > 0 ? s.rows + row * stride
                                                       : s.map + bordered<side, inputs>(row < Step::pixels ? row : 0)) +
                                     me.lane / 16 * 8;
            // Two sums in turn, so that products need not wait for each other.
            tile_sums even[groups], odd[groups] = {};
            FACEFLOW_UNROLL
            for (int g = 0; g < groups; ++g)
                even[g] = begin_sums(bias[g]);
            FACEFLOW_UNROLL
            for (int k = 0; k < steps; ++k) {
                half2 a[4];
                load_matrices(a, from + k * channel_step);
                FACEFLOW_UNROLL
                for (int g = 0; g < groups; ++g)
                    multiply(k % 2 != 0 ? odd[g] : even[g], a, weights[g][k]);
            }
            FACEFLOW_UNROLL
            for (int g = 0; g < groups; ++g) {
                FACEFLOW_UNROLL
                for (int i = 0; i < 8; ++i)
                    if (steps > 1) even[g].v[i] += odd[g].v[i];
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e) {
                    const int m = tile * 16 + me.row + e * 8;
                    if (m < Step::pixels)
                        finish(s, channels_of(even[g], e), slopes[g], m, first_channel + g * channel_step);
                }
            }
        }
    }

    static FACEFLOW_DEVICE void finish(const chain_state& s, half4 v, half4 slopes, int m, int channel) {
        half* const out = Step::join == chain_join::same ? s.map : s.other_map;
        if constexpr (Step::join == chain_join::same) {
            v = add(v, load4(s.map + bordered<side, inputs>(m) + channel));
        } else if constexpr (Step::join == chain_join::pooled) {
            if (channel < inputs) {
                const half* const upper =
                    s.map + ((m / out_side * 2 + 1) * width + m % out_side * 2 + 1) * stride + channel;
                const half* const lower = upper + width * stride;
                v = add(v, larger(larger(load4(upper), load4(upper + stride)),
                                  larger(load4(lower), load4(lower + stride))));
            }
        }
        store4(out + bordered<out_side, outputs>(m) + channel, prelu(v, slopes));
    }
};

template <chain_source Source, chain_target Target, class... Steps>
struct chain_kernel {
    using parameters = chain_parameters;
    using all = chain_of<Steps...>;
    using first = typename first_step<Steps...>::type;
    using last = typename last_step<Steps...>::type;
    static constexpr int threads = chain_threads;
    static constexpr int weight_bytes = larger_of(all::bytes, Target == chain_target::points ? point_weight_bytes : 0);
    static constexpr std::size_t shared_bytes = (2 * all::map + all::rows) * sizeof(half) + 2 * weight_bytes +
                                                (transform_floats + most_outputs) * sizeof(float);

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
    // Where the thread's point goes, and how deep it lies.
    struct point_aim {
        std::int32_t target = -1;
        float depth = 0;
    };

    template <class Step, class... Rest>
    static FACEFLOW_DEVICE void all_steps(chain_state& s, const std::byte* behind) {
        int next = 0;  // bytes of what follows
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

    // The map that the chain begins with is what the branch's head looks at.
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
            to_floats(load(weights + k * most_outputs + thread()), w);
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

// The chains of the attention mesh: its body from 12 x 12 on, what looks at each square, and what finds its points.
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

}  // namespace faceflow::inference::kernels
