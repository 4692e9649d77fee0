// SPDX-License-Identifier: Apache-2.0
// Products of bfloat16s on the CPU, in every instruction set that this machine has: beside sums in double precision of operands that
// are rounded here, by another way.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <limits>
#include <tuple>

#include "core/bfloat16.hpp"
#include "helpers/host_network.hpp"
#include "helpers/plans.hpp"
#include "inference/plan_check.hpp"

namespace faceflow::internal {
namespace {

using inference::activation;
using inference::host_precision;
using inference::joining;
using inference::plan_convolution;
using inference::plan_head;
using inference::cpu::kernel_set;
using inference::cpu::stored_channels;
using test::exact_floats;
using test::host_network;
using test::plan_maker;

// The nearer of the two bfloat16s that a number lies between; of two as near the one whose last bit is 0.
float nearest(float v) {
    const auto bits = std::bit_cast<std::uint32_t>(v) & 0xffff0000u;
    const auto toward_zero = std::bit_cast<float>(bits), away = std::bit_cast<float>(bits + 0x10000u);
    const double before = std::abs(static_cast<double>(v) - toward_zero);
    // What lies beyond the largest is as far as if there were one more.
    const double step = std::isinf(away) ? std::ldexp(1.0, 120) : std::abs(static_cast<double>(away) - toward_zero);
    if (before * 2 != step) return before * 2 < step ? toward_zero : away;
    return (bits & 0x10000u) == 0 ? toward_zero : away;
}

std::vector<float> numbers(std::size_t count, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> spread;
    std::vector<float> all(count);
    for (float& v : all)
        v = spread(random);
    return all;
}

// Of all sizes that are normal numbers, both signs, many halfway between two.
std::vector<float> numbers_to_round(std::size_t count) {
    std::mt19937 random(3);
    std::vector<float> all{0.0f, -0.0f, 1.0f, 255.0f, 256.0f, 257.0f, std::numeric_limits<float>::max()};
    while (all.size() < count) {
        auto bits = static_cast<std::uint32_t>(random());
        if (all.size() % 3 == 0) bits = (bits & 0xffff0000u) | 0x8000u;
        if (const auto v = std::bit_cast<float>(bits); std::isnormal(v)) all.push_back(v);
    }
    return all;
}

TEST(bfloat16, is_the_nearest_and_of_two_the_even_one) {
    for (const float v : numbers_to_round(100'000))
        ASSERT_EQ(float_of_bfloat16(bfloat16_bits(v)), nearest(v)) << std::hexfloat << v;
    constexpr float beyond = std::numeric_limits<float>::infinity();
    EXPECT_EQ(float_of_bfloat16(bfloat16_bits(-beyond)), -beyond);
    for (const std::uint32_t none : {0x7f800001u, 0x7fffffffu, 0xffffffffu, 0xffc00000u})
        EXPECT_TRUE(std::isnan(float_of_bfloat16(bfloat16_bits(std::bit_cast<float>(none)))));
}

class cpu_bf16 : public testing::TestWithParam<std::int64_t> {
protected:
    void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
    void TearDown() override { hwy::SetSupportedTargetsForTest(0); }

    static float half_of(const float* pairs, std::size_t i) {
        const auto bits = std::bit_cast<std::uint32_t>(pairs[i / 2]);
        return float_of_bfloat16(static_cast<std::uint16_t>(i % 2 == 0 ? bits : bits >> 16));
    }
};

TEST_P(cpu_bf16, rows_are_rounded_to_pairs_also_where_they_lie) {
    const kernel_set kernels = inference::cpu::best_kernels();
    for (const std::size_t count : {16, 32, 48, 112, 1600}) {
        std::vector<float> from = numbers_to_round(count);
        from[5] = std::numeric_limits<float>::infinity();
        from[10] = std::numeric_limits<float>::quiet_NaN();
        exact_floats in(count), out(count / 2);
        std::copy(from.begin(), from.end(), in.data());
        kernels.round(in.data(), static_cast<std::ptrdiff_t>(count), out.data());
        kernels.round(in.data(), static_cast<std::ptrdiff_t>(count), in.data());
        for (std::size_t i = 0; i < count; ++i) {
            if (i == 10) {
                EXPECT_TRUE(std::isnan(half_of(out.data(), i)));
            } else {
                ASSERT_EQ(half_of(out.data(), i), i == 5 ? from[i] : nearest(from[i])) << i << " of " << count;
            }
            ASSERT_EQ(std::bit_cast<std::uint32_t>(out.data()[i / 2]), std::bit_cast<std::uint32_t>(in.data()[i / 2]));
        }
    }
}

struct product_shape {
    std::int32_t length, outputs, pixels, segments;
};

void expect_product(const kernel_set& kernels, const product_shape& s) {
    const auto inputs = static_cast<std::size_t>(std::ptrdiff_t{s.segments} * s.length),
               outputs = static_cast<std::size_t>(s.outputs);
    const auto pixels = static_cast<std::size_t>(s.pixels);
    const auto step = static_cast<std::size_t>(stored_channels(s.length));
    const std::vector<float> weights = numbers(inputs * outputs, 11), bias = numbers(outputs, 12);
    inference::cpu::weight_store store;
    const auto packed = inference::cpu::pack_product(
        store, {weights, bias, {}, inference::cpu::activation_kind::none, s.segments, s.length, s.outputs},
        kernels.lanes, kernels.widest, host_precision::bf16);
    // A plane for each segment; what fills pixels up is no number.
    std::vector<float> from = numbers(static_cast<std::size_t>(s.segments) * pixels * step, 13);
    for (std::size_t i = 0; i < from.size(); ++i)
        if (i % step >= static_cast<std::size_t>(s.length)) from[i] = std::numeric_limits<float>::quiet_NaN();
    exact_floats pairs(from.size() / 2);
    kernels.round(from.data(), static_cast<std::ptrdiff_t>(from.size()), pairs.data());
    std::vector<const float*> planes;
    for (std::size_t k = 0; k < static_cast<std::size_t>(s.segments); ++k)
        planes.push_back(pairs.data() + k * pixels * step / 2);
    exact_floats out(pixels * outputs);
    inference::cpu::product p = packed.in(store);
    p.inputs = planes.data();
    p.input_step = static_cast<std::ptrdiff_t>(step / 2);
    p.pixels = s.pixels;
    p.out = out.data();
    p.out_step = p.stored = s.outputs;
    kernels.multiply_bf16(p);
    for (std::size_t i = 0; i < pixels; ++i) {
        for (std::size_t c = 0; c < outputs; ++c) {
            double sum = bias[c], size = std::abs(sum);
            for (std::size_t k = 0; k < inputs; ++k) {
                const std::size_t segment = k / static_cast<std::size_t>(s.length);
                const float x = from[(segment * pixels + i) * step + k % static_cast<std::size_t>(s.length)];
                const double made = static_cast<double>(nearest(x)) * nearest(weights[k * outputs + c]);
                sum += made;
                size += std::abs(made);
            }
            ASSERT_LE(std::abs(out.data()[i * outputs + c] - sum), 1e-6 * size) << "pixel " << i << ", output " << c;
        }
    }
}

TEST_P(cpu_bf16, products_are_sums_of_rounded_operands) {
    const kernel_set kernels = inference::cpu::best_kernels();
    ASSERT_EQ(kernels.target, hwy::TargetName(GetParam()));
    for (const std::int32_t length : {2, 6, 8, 16, 18, 32, 130})
        for (const std::int32_t outputs : {1, 7, 16, 17, 33, 64, 70})
            for (const std::int32_t pixels : {1, 2, 5, 12, 13, 29}) {
                SCOPED_TRACE(testing::Message() << length << " to " << outputs << ", " << pixels << " pixels");
                ASSERT_NO_FATAL_FAILURE(expect_product(kernels, {length, outputs, pixels, 1}));
            }
    expect_product(kernels, {10, 20, 7, 3});
}

// Beside sums of operands that the reference rounds. Few of them lie so near the middle between two bfloat16s that they take the
// other; where a product is not rounded, or one is that should not be, all numbers are off. In any order of parts, and with rows
// that pass by, the same bytes.
void expect_as_computed(const plan_maker& p, std::int32_t height, std::int32_t width) {
    const inference::plan& of = p.made();
    const auto sound = inference::check_plan(of);
    ASSERT_TRUE(sound) << sound.error().message;
    host_network kept(of, height, width, 2, host_network::maps::kept, host_precision::bf16),
        shared(of, height, width, 2, host_network::maps::shared, host_precision::bf16);
    const auto expect_near = [](const std::vector<float>& own, const std::vector<float>& wanted) {
        ASSERT_EQ(own.size(), wanted.size());
        double difference = 0;
        for (std::size_t i = 0; i < own.size(); ++i) {
            ASSERT_TRUE(std::abs(own[i] - wanted[i]) <= 3e-2f * std::max(1.0f, std::abs(wanted[i])))
                << "number " << i << " is " << own[i] << ", not " << wanted[i];
            difference += std::abs(static_cast<double>(own[i]) - wanted[i]);
        }
        EXPECT_LE(difference, 2e-4 * static_cast<double>(own.size()));
    };
    for (std::int32_t i = 0; i < 2; ++i) {
        const test::plain_map input = test::noise(height, width, 3, static_cast<std::uint32_t>(i + 7));
        kept.set_input(i, input.values);
        shared.set_input(i, input.values);
        kept.run(i, 1);
        shared.run_backwards(i);
        const test::plan_reference wanted(of, input, nearest);
        for (std::size_t m = 0; m < of.maps.size(); ++m) {
            SCOPED_TRACE(of.maps[m].name);
            ASSERT_NO_FATAL_FAILURE(expect_near(kept.map(static_cast<int>(m)), wanted.maps[m].values));
        }
        for (std::size_t v = 0; v < of.vectors.size(); ++v) {
            SCOPED_TRACE(of.vectors[v].name);
            const auto own = kept.vector(static_cast<int>(v), i);
            ASSERT_NO_FATAL_FAILURE(expect_near(own, wanted.vectors[v]));
            EXPECT_EQ(shared.vector(static_cast<int>(v), i), own);
        }
    }
    const auto exact = inference::cpu::prepared_network::make(of);
    EXPECT_LT(kept.network().weights().bytes(), exact->weights().bytes());
}

plan_maker begin(std::int32_t multiple = 2) {
    plan_maker p;
    p.made().input.multiple = multiple;
    return p;
}
void tell(plan_maker& p, inference::tensor_index x) {
    plan_head h;
    h.x = x;
    h.parts = {{"", -1, 3, true, false}, {"", -1, 2, false, true}};
    p.add(h);
}

TEST_P(cpu_bf16, any_even_number_of_channels_is_rounded_from_32_on_or_behind_a_depthwise) {
    for (const std::int32_t channels : {2, 16, 31, 32, 34, 66, 128}) {
        SCOPED_TRACE(channels);
        plan_maker p = begin();
        plan_convolution c;
        c.x = p.first(channels, 1);
        c.y = p.map(channels + 7, 1);  // an odd number is not rounded
        c.act = activation::prelu;
        p.add(c);
        c = {};
        c.x = p.block(0, 18, 1);
        c.y = p.map(2 * channels, 2);
        c.depthwise = c.depthwise_relu = true;
        c.stride = 2;
        c.act = activation::relu;
        p.add(c);
        tell(p, c.y);
        ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 6, 10));
    }
}

TEST_P(cpu_bf16, what_is_joined_or_pooled_first_stays_as_it_is) {
    for (const auto join : {joining::none, joining::same, joining::pooled, joining::doubled, joining::smoothed}) {
        for (const bool depthwise : {false, true}) {
            SCOPED_TRACE(testing::Message() << static_cast<int>(join) << " " << depthwise);
            plan_maker p = begin(4);
            plan_convolution c;
            c.x = p.first(34, 2);
            if (join != joining::none) {
                c.joined = join == joining::pooled ? p.first(21, 1)
                           : join == joining::same ? p.first(21, 2)
                                                   : p.block(c.x, 21, 2);
            }
            c.y = p.map(22, join == joining::none && !depthwise ? 4 : 2);
            c.join = join;
            c.depthwise = depthwise;
            c.pool_first = join == joining::none && !depthwise;
            c.pad = depthwise ? 1 : 0;
            c.joined_first = join != joining::none;
            c.act = activation::prelu;
            p.add(c);
            tell(p, c.y);
            ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 12, 20));
        }
    }
}

TEST_P(cpu_bf16, large_maps_pass_by_in_rows) {
    plan_maker p = begin(4);
    plan_convolution c;
    c.x = p.first(32, 1);
    c.y = p.map(34, 1);
    p.add(c);
    c.x = c.joined = c.y;
    c.y = p.map(34, 1);
    c.depthwise = true;
    c.pad = 1;
    c.join = joining::same;
    c.joined_first = true;
    p.add(c);
    tell(p, c.y);
    ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 80, 96));
}

TEST_P(cpu_bf16, maps_of_a_fixed_size_become_numbers) {
    for (const std::int32_t channels : {16, 32}) {
        ASSERT_NO_FATAL_FAILURE(expect_as_computed(test::plan_of_dense_layers(channels), 6, 10));
    }
}

INSTANTIATE_TEST_SUITE_P(kernels, cpu_bf16, testing::ValuesIn(test::instruction_sets()),
                         [](const auto& i) { return std::string(hwy::TargetName(i.param)); });

}  // namespace
}  // namespace faceflow::internal
