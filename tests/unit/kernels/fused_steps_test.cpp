// SPDX-License-Identifier: Apache-2.0
// The kernels of one size, and those that do several steps, at sizes that divide by nothing.
#include <set>

#include "kernel_testing.hpp"

namespace faceflow::internal {
namespace {

using emulation::large_card;
using inference::activation;
using inference::joining;
using inference::plan_convolution;
using inference::plan_head;
using inference::kernels::card;
using inference::kernels::kernel_group;
using inference::kernels::network;
using test::expect_as_computed;
using test::plan_maker;

// Few multiprocessors have kernels take more pixels at a time.
card small_and(std::int32_t multiprocessors) {
    card c = large_card();
    c.multiprocessors = multiprocessors;
    return c;
}

std::multiset<int> groups_of(const inference::plan& p, const card& on, std::int32_t height, std::int32_t width) {
    auto made = network::make(p, on);
    EXPECT_OK(made);
    auto n = emulation::emulated_network::make(*made, height, width, 2);
    EXPECT_OK(n);
    std::multiset<int> groups;
    for (const auto& l : n->launches(2))
        groups.insert(static_cast<int>(l.kernel.group));
    return groups;
}

struct block_size {
    std::int32_t inputs, outputs, stride;  // 0: no depthwise
};

std::size_t blocks_in(const inference::plan& p, const card& on) {
    const auto groups = groups_of(p, on, 12, 28);
    return groups.count(static_cast<int>(kernel_group::few_channels)) +
           groups.count(static_cast<int>(kernel_group::many_channels));
}

class sized_blocks : public testing::TestWithParam<block_size> {
protected:
    void SetUp() override { SKIP_WITHOUT_EMULATION(); }
};

// Its input from the picture, then the block.
plan_maker block_plan(const block_size& s, joining join) {
    plan_maker p;
    plan_convolution c;
    c.x = p.first(s.inputs, 2);
    const std::int32_t down = s.stride == 2 ? 4 : 2;
    if (join == joining::same) c.joined = s.stride == 2 ? p.block(c.x, 16, 2) : p.first(s.outputs, 2);
    if (join == joining::pooled) c.joined = p.first(16, 1);
    if (join == joining::doubled) c.joined = p.block(c.x, 16, 2);
    c.y = p.map(s.outputs, down);
    c.depthwise = c.depthwise_relu = s.stride > 0;
    c.stride = s.stride == 2 ? 2 : 1;
    c.pad = s.stride > 0 ? 1 : 0;
    c.act = activation::prelu;
    c.join = join;
    c.joined_first = join != joining::none && join != joining::doubled;
    p.add(c);
    return p;
}

TEST_P(sized_blocks, compute_what_the_plan_says_at_odd_sizes_with_any_number_of_rows) {
    const joining own = GetParam().stride == 1 ? joining::same : joining::doubled;  // that its kernel knows
    for (const std::int32_t multiprocessors : {1, 2, 132}) {
        for (const joining join : {joining::none, own}) {
            if (join != joining::none && GetParam().stride == 2) continue;
            SCOPED_TRACE(testing::Message() << multiprocessors << " " << static_cast<int>(join));
            plan_maker p = block_plan(GetParam(), join);
            ASSERT_NO_FATAL_FAILURE(expect_as_computed(p.made(), small_and(multiprocessors), 12, 28, 2));
            EXPECT_EQ(blocks_in(p.made(), small_and(multiprocessors)), 1u);
        }
    }
}

// Others go to a kernel of any size.
TEST_P(sized_blocks, leave_joins_that_they_do_not_know) {
    plan_maker p = block_plan(GetParam(), GetParam().stride == 1 ? joining::pooled : joining::same);
    expect_as_computed(p.made(), large_card(), 12, 12);
    EXPECT_EQ(blocks_in(p.made(), large_card()), 0u);
}

INSTANTIATE_TEST_SUITE_P(kernels, sized_blocks,
                         testing::Values(block_size{32, 32, 1}, block_size{32, 64, 2}, block_size{64, 64, 1},
                                         block_size{64, 128, 2}, block_size{64, 64, 0}, block_size{128, 128, 1},
                                         block_size{128, 256, 2}, block_size{256, 256, 1}, block_size{256, 256, 0},
                                         block_size{256, 64, 0}, block_size{128, 64, 0}),
                         [](const auto& i) {
                             return std::to_string(i.param.inputs) + "_to_" + std::to_string(i.param.outputs) + "_by_" +
                                    std::to_string(i.param.stride);
                         });

class fused_steps : public testing::Test {
protected:
    void SetUp() override { SKIP_WITHOUT_EMULATION(); }
};

TEST_F(fused_steps, the_stem_does_three_steps_at_any_size) {
    for (const auto& [height, width] : {std::pair{4, 4}, {12, 20}, {36, 68}, {64, 32}}) {
        plan_maker p;
        plan_convolution c;
        c.y = p.map(16, 2);
        c.kernel = 3;
        c.stride = 2;
        c.pad = 1;
        c.act = activation::relu;
        p.add(c);
        plan_convolution d;
        d.x = c.y;
        d.y = p.map(32, 2);
        d.act = activation::relu;
        p.add(d);
        plan_convolution e;
        e.x = d.y;
        e.y = p.map(32, 4);
        e.depthwise = e.depthwise_relu = true;
        e.stride = 2;
        e.pad = 1;
        e.act = activation::relu;
        p.add(e);
        expect_as_computed(p.made(), large_card(), height, width, 2);
        EXPECT_EQ(groups_of(p.made(), large_card(), height, width).size(), 1u);
    }
}

// The context module of a level: five convolutions and the heads.
void add_module(plan_maker& p, inference::tensor_index x, std::int32_t down) {
    plan_convolution c;
    c.kernel = 3;
    c.pad = 1;
    c.act = activation::relu;
    const auto all = p.map(64, down), context = p.map(16, down), middle = p.map(16, down);
    c.x = x;
    c.y = all;
    p.add(c, 32);
    c.y = context;
    p.add(c);
    c.x = context;
    c.y = all;
    c.into = 32;
    p.add(c, 16);
    c.y = middle;
    c.into = 0;
    p.add(c);
    c.x = middle;
    c.y = all;
    c.into = 48;
    p.add(c, 16);
    plan_head h;
    h.x = all;
    h.parts = {{"", -1, 4, false, true}, {"", -1, 8, false, false}, {"", -1, 20, false, false}};
    p.add(h);
}

TEST_F(fused_steps, levels_run_together) {
    for (const auto& [levels, multiprocessors] : {std::pair{1, 132}, {2, 132}, {3, 1}}) {
        plan_maker p;
        add_module(p, p.first(64, 1), 1);
        if (levels > 1) add_module(p, p.first(64, 2), 2);
        if (levels > 2) add_module(p, p.block(p.first(16, 2), 64, 2), 4);
        // The maps that heads look at are not whole outside of their kernel.
        auto made = network::make(p.made(), small_and(multiprocessors));
        ASSERT_OK(made);
        auto n = emulation::emulated_network::make(*made, 20, 28, 2);
        ASSERT_OK(n);
        EXPECT_EQ(groups_of(p.made(), large_card(), 20, 28).count(static_cast<int>(kernel_group::levels)), 3u);
        for (std::int32_t i = 0; i < 2; ++i)
            n->set_input(i, test::noise(20, 28, 3, 7 + static_cast<std::uint32_t>(i)).values);
        ASSERT_OK(n->run(2));
        const test::plan_reference wanted(p.made(), test::noise(20, 28, 3, 8));
        for (std::size_t v = 0; v < p.made().vectors.size(); ++v) {
            const auto own = n->vector(static_cast<inference::tensor_index>(v), 1);
            for (std::size_t i = 0; i < own.size(); ++i)
                ASSERT_NEAR(own[i], wanted.vectors[v][i], 1e-2) << "vector " << v << ", " << i;
        }
    }
}

TEST_F(fused_steps, a_dense_convolution_of_64_channels_has_a_kernel_of_its_own) {
    for (const std::int32_t multiprocessors : {1, 132}) {
        plan_maker p;
        plan_convolution c;
        c.x = p.first(64, 2);
        c.y = p.map(64, 2);
        c.kernel = 3;
        c.pad = 1;
        c.act = activation::relu;
        p.add(c);
        expect_as_computed(p.made(), small_and(multiprocessors), 36, 36, 2);
        EXPECT_EQ(groups_of(p.made(), large_card(), 36, 36).count(static_cast<int>(kernel_group::levels)), 1u);
    }
}

// A card with little shared memory runs the same plan with other kernels.
TEST_F(fused_steps, little_shared_memory_leaves_kernels_of_any_size) {
    card turing{64 * 1024, 64 * 1024, 1024, 40, true};
    plan_maker p;
    add_module(p, p.first(64, 1), 1);
    EXPECT_EQ(groups_of(p.made(), turing, 12, 12).count(static_cast<int>(kernel_group::levels)), 0u);
    expect_as_computed(p.made(), turing, 12, 12);
}

}  // namespace
}  // namespace faceflow::internal
