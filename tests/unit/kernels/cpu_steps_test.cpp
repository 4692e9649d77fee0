// SPDX-License-Identifier: Apache-2.0
// The CPU's kernels in every instruction set that this machine has: what they make of plans of all shapes, beside sums in double
// precision.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "helpers/host_network.hpp"
#include "helpers/plans.hpp"
#include "inference/plan_check.hpp"

namespace faceflow::internal {
namespace {

using inference::activation;
using inference::joining;
using inference::plan_convolution;
using inference::plan_head;
using test::host_network;
using test::instruction_sets;
using test::plain_map;
using test::plan_maker;
using test::plan_reference;

class cpu_steps : public testing::TestWithParam<std::int64_t> {
protected:
    void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
    void TearDown() override { hwy::SetSupportedTargetsForTest(0); }

    static void expect_near(const std::vector<float>& own, const std::vector<float>& wanted, const std::string& name) {
        ASSERT_EQ(own.size(), wanted.size()) << name;
        for (std::size_t i = 0; i < own.size(); ++i) {
            // Written so that what is no number fails.
            ASSERT_TRUE(std::abs(own[i] - wanted[i]) <= 1e-4f * std::max(1.0f, std::abs(wanted[i])))
                << name << ": number " << i << " is " << own[i] << ", not " << wanted[i];
        }
    }

    // Every map and vector of two pictures; and vectors, and maps that are not written over, when parts run the other way round.
    static void expect_as_computed(const plan_maker& p, std::int32_t height, std::int32_t width) {
        const inference::plan& of = p.made();
        const auto sound = inference::check_plan(of);
        ASSERT_TRUE(sound) << sound.error().message;
        host_network kept(of, height, width, 2, host_network::maps::kept), shared(of, height, width, 2);
        ASSERT_EQ(kept.network().kernels().target, hwy::TargetName(GetParam()));
        for (std::int32_t i = 0; i < 2; ++i) {
            const plain_map input = test::noise(height, width, 3, static_cast<std::uint32_t>(i + 7));
            kept.set_input(i, input.values);
            shared.set_input(i, input.values);
            kept.run(i, 1);
            shared.run_backwards(i);
            const plan_reference wanted(of, input);
            for (std::size_t m = 0; m < of.maps.size(); ++m)
                ASSERT_NO_FATAL_FAILURE(
                    expect_near(kept.map(static_cast<int>(m)), wanted.maps[m].values, of.maps[m].name));
            for (std::size_t v = 0; v < of.vectors.size(); ++v) {
                ASSERT_NO_FATAL_FAILURE(
                    expect_near(kept.vector(static_cast<int>(v), i), wanted.vectors[v], of.vectors[v].name));
                EXPECT_EQ(shared.vector(static_cast<int>(v), i), kept.vector(static_cast<int>(v), i));
            }
        }
    }

    // Sizes that 2 divides; `last` goes to a vector, so that it is there in all ways of running.
    static plan_maker begin() {
        plan_maker p;
        p.made().input.multiple = 2;
        return p;
    }
    static void tell(plan_maker& p, inference::tensor_index x) {
        plan_head h;
        h.x = x;
        h.parts = {{"", -1, 3, true, false}, {"", -1, 2, false, true}};
        p.add(h);
    }
};

TEST_P(cpu_steps, any_number_of_channels_is_computed) {
    for (const std::int32_t channels : {1, 3, 5, 8, 15, 16, 17, 40, 67}) {
        SCOPED_TRACE(channels);
        plan_maker p = begin();
        plan_convolution c;
        c.x = p.first(channels, 1);
        c.y = p.map(channels + 2, 1);
        c.act = activation::prelu;
        p.add(c);
        c = {};
        c.x = p.block(1, channels, 1);
        c.y = p.map(2 * channels, 2);
        c.depthwise = c.depthwise_relu = true;
        c.stride = 2;
        c.act = activation::relu;
        p.add(c);
        tell(p, c.y);
        ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 6, 10));
    }
}

TEST_P(cpu_steps, every_way_of_joining_is_computed) {
    for (const auto join : {joining::same, joining::pooled, joining::doubled, joining::smoothed}) {
        for (const bool first : {false, true}) {
            for (const bool depthwise : {false, true}) {
                for (const std::int32_t joined_channels : {3, 16, 21}) {
                    SCOPED_TRACE(testing::Message() << static_cast<int>(join) << " " << first << " " << depthwise << " "
                                                    << joined_channels);
                    plan_maker p = begin();
                    p.made().input.multiple = 4;
                    plan_convolution c;
                    c.x = p.first(19, 2);
                    c.joined = join == joining::pooled ? p.first(joined_channels, 1)
                               : join == joining::same ? p.first(joined_channels, 2)
                                                       : p.block(c.x, joined_channels, 2);
                    c.y = p.map(21, 2);
                    c.join = join;
                    c.joined_first = first;
                    c.depthwise = depthwise;
                    c.pad = depthwise ? 1 : 0;
                    c.act = first ? activation::prelu : activation::relu;
                    p.add(c);
                    tell(p, c.y);
                    ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 12, 20));
                }
            }
        }
    }
}

TEST_P(cpu_steps, kernels_of_three_join_as_well) {
    for (const std::int32_t stride : {1, 2}) {
        SCOPED_TRACE(stride);
        plan_maker p = begin();
        plan_convolution c;
        c.x = p.first(18, 1);
        c.joined = stride == 1 ? p.first(5, 1) : c.x;
        c.y = p.map(20, stride);
        c.kernel = 3;
        c.stride = stride;
        c.pad = 1;
        c.join = stride == 1 ? joining::same : joining::pooled;
        c.joined_first = true;
        c.act = activation::prelu;
        p.add(c);
        tell(p, c.y);
        ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 6, 8));
    }
}

TEST_P(cpu_steps, kernels_of_five_see_the_input) {
    for (const std::int32_t stride : {1, 2}) {
        for (const std::int32_t pad : {0, 1, 2}) {
            for (const auto& [height, width] : {std::pair{2, 2}, {4, 6}, {12, 34}}) {
                SCOPED_TRACE(testing::Message() << stride << " " << pad << " " << height << " x " << width);
                plan_maker p = begin();
                plan_convolution c;
                c.y = p.map(24, stride);
                c.kernel = 5;
                c.stride = stride;
                c.pad = pad;
                c.act = activation::relu;
                p.add(c);
                tell(p, c.y);
                ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, height, width));
            }
        }
    }
}

TEST_P(cpu_steps, strides_and_paddings_are_computed_at_odd_sizes) {
    for (const bool depthwise : {false, true}) {
        for (const std::int32_t pad : {0, 1}) {
            for (const auto& [height, width] : {std::pair{1, 1}, {1, 3}, {2, 1}, {3, 2}, {7, 5}, {5, 13}}) {
                SCOPED_TRACE(testing::Message() << depthwise << " " << pad << " " << height << " x " << width);
                plan_maker p;
                p.made().input.multiple = 1;
                plan_convolution c;
                c.x = p.first(6, 1);
                c.y = p.map(7, 1);
                c.kernel = depthwise ? 1 : 3;
                c.depthwise = depthwise;
                c.pad = pad;
                p.add(c);
                tell(p, c.y);
                ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, height, width));
                plan_maker half = begin();
                c = {};
                c.x = half.first(6, 1);
                c.y = half.map(7, 2);
                c.kernel = depthwise ? 1 : 3;
                c.depthwise = depthwise;
                c.stride = 2;
                c.pad = pad;
                half.add(c);
                tell(half, c.y);
                ASSERT_NO_FATAL_FAILURE(expect_as_computed(half, 2 * height, 2 * width));
            }
        }
    }
}

// By Winograd's way: tiles of 4 x 4 that stand over, slices of a map that begin anywhere, several that look at one map.
TEST_P(cpu_steps, dense_kernels_of_three_fill_their_slices) {
    for (const auto& [height, width] : {std::pair{1, 1}, {2, 7}, {4, 4}, {5, 9}, {13, 6}}) {
        for (const auto& [inputs, a, b] : {std::tuple{16, 16, 32}, {17, 33, 18}, {64, 48, 16}}) {
            SCOPED_TRACE(testing::Message()
                         << height << " x " << width << ", " << inputs << " to " << a << " and " << b);
            plan_maker p;
            p.made().input.multiple = 1;
            plan_convolution c;
            c.x = p.first(inputs, 1);
            const auto y = p.map(a + b + 5, 1), other = p.map(20, 1);
            c.kernel = 3;
            c.pad = 1;
            c.y = y;
            c.act = activation::relu;
            p.add(c, a);
            c.y = other;
            c.act = activation::prelu;
            p.add(c, 20);
            c.x = other;
            c.y = y;
            c.into = a;
            c.act = activation::none;
            p.add(c, b);
            c.into = a + b;
            p.add(c, 5);
            tell(p, y);
            ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, height, width));
        }
    }
}

TEST_P(cpu_steps, slices_that_begin_anywhere_leave_their_neighbours) {
    plan_maker p = begin();
    plan_convolution c;
    c.x = p.first(9, 1);
    c.y = p.map(40, 1);
    // The last is not written last.
    for (const auto& [into, outputs] : {std::pair{37, 3}, {0, 5}, {5, 11}, {16, 17}, {33, 4}}) {
        c.into = into;
        p.add(c, outputs);
    }
    tell(p, c.y);
    ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 4, 6));
}

// Of a map that is filled in slices, what lies behind the last channel is nobody's.
TEST_P(cpu_steps, only_channels_that_there_are_join) {
    plan_maker p = begin();
    plan_convolution c;
    c.x = p.first(9, 1);
    c.y = p.map(11, 1);
    p.add(c, 5);
    c.into = 5;
    p.add(c, 6);
    c = {};
    c.x = 0;
    c.joined = 1;
    c.join = joining::same;
    c.y = p.map(20, 1);
    p.add(c);
    tell(p, c.y);
    ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 4, 6));
}

TEST_P(cpu_steps, the_input_is_read_by_any_step) {
    plan_maker p = begin();
    plan_convolution c;
    c.y = p.map(5, 1);
    p.add(c);
    c = {};
    c.y = p.map(4, 2);
    c.pool_first = true;
    p.add(c);
    c = {};
    c.y = p.map(6, 2);
    c.depthwise = true;
    c.stride = 2;
    c.pad = 1;
    p.add(c);
    c = {};
    c.y = p.map(7, 2);
    c.kernel = 3;
    c.stride = 2;
    p.add(c);
    for (inference::tensor_index m = 0; m < 4; ++m)
        tell(p, m);
    ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 6, 34));
}

TEST_P(cpu_steps, maps_are_pooled_before_a_product) {
    plan_maker p = begin();
    plan_convolution c;
    c.x = p.first(21, 1);
    c.y = p.map(18, 2);
    c.pool_first = true;
    c.act = activation::relu;
    p.add(c);
    tell(p, c.y);
    ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 10, 18));
}

// Maps of so many bytes that only some of their rows are kept, all of them in one stream: strides, residuals, poolings.
TEST_P(cpu_steps, large_maps_pass_by_in_rows) {
    plan_maker p = begin();
    p.made().input.multiple = 4;
    plan_convolution c;
    c.x = p.first(5, 1);
    c.y = p.map(6, 1);
    p.add(c);
    c.x = c.joined = c.y;
    c.y = p.map(7, 1);
    c.depthwise = true;
    c.pad = 1;
    c.join = joining::same;
    c.joined_first = true;
    p.add(c);
    c.x = c.joined = c.y;
    c.y = p.map(7, 2);
    c.stride = 2;
    c.pad = 0;
    c.join = joining::pooled;
    p.add(c);
    tell(p, c.y);
    host_network shared(p.made(), 108, 132, 1), kept(p.made(), 108, 132, 1, host_network::maps::kept);
    EXPECT_LT(shared.bytes(), kept.bytes() / 4);
    ASSERT_NO_FATAL_FAILURE(expect_as_computed(p, 108, 132));
}

TEST_P(cpu_steps, maps_of_a_fixed_size_become_numbers) {
    for (const std::int32_t channels : {16, 19}) {
        ASSERT_NO_FATAL_FAILURE(expect_as_computed(test::plan_of_dense_layers(channels), 6, 10));
    }
}

TEST_P(cpu_steps, shares_of_any_two_numbers_are_between_0_and_1) {
    const auto kernels = inference::cpu::best_kernels();
    constexpr float most = std::numeric_limits<float>::max();
    const std::vector<std::pair<float, float>> pairs{{0, 0},     {1, 2},        {-3, 4.5f},    {1000, -1000},
                                                     {-2e5f, 9}, {most, -most}, {-most, most}, {88, 0}};
    for (std::size_t count = 1; count <= 40; ++count) {
        std::vector<float> a, b;
        for (std::size_t i = 0; i < count; ++i) {
            a.push_back(pairs[i % pairs.size()].first);
            b.push_back(pairs[i % pairs.size()].second);
        }
        const auto from_a = a, from_b = b;
        kernels.softmax(a.data(), b.data(), static_cast<std::int32_t>(count));
        for (std::size_t i = 0; i < count; ++i) {
            const double wanted = 1 / (1 + std::exp(static_cast<double>(from_b[i]) - from_a[i]));
            EXPECT_NEAR(a[i], wanted, 1e-6);
            EXPECT_NEAR(b[i], 1 - wanted, 1e-6);
        }
    }
}

TEST_P(cpu_steps, sizes_that_a_network_does_not_take_are_refused) {
    plan_maker p = begin();
    tell(p, p.first(4, 2));
    const auto network = inference::cpu::prepared_network::make(p.made());
    using inference::cpu::memory_layout;
    EXPECT_TRUE(memory_layout::make(*network, 4, 6, 1));
    for (const auto& [height, width, most] :
         {std::tuple{3, 6, 1}, {4, 7, 1}, {0, 6, 1}, {4, -2, 1}, {4, 6, 0}, {1 << 30, 1 << 30, 1}}) {
        const auto refused = memory_layout::make(*network, height, width, most);
        ASSERT_FALSE(refused) << height << " x " << width;
        EXPECT_EQ(refused.error().code, errc::invalid_argument);
    }
}

INSTANTIATE_TEST_SUITE_P(kernels, cpu_steps, testing::ValuesIn(instruction_sets()),
                         [](const auto& i) { return std::string(hwy::TargetName(i.param)); });

}  // namespace
}  // namespace faceflow::internal
