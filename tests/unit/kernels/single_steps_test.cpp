// SPDX-License-Identifier: Apache-2.0
// Each kind of step by itself, on the kernels for any size.
#include "kernel_testing.hpp"

namespace faceflow::internal {
namespace {

using inference::activation;
using inference::joining;
using inference::plan_convolution;
using inference::plan_head;
using test::expect_as_computed;
using test::plain_card;
using test::plan_maker;

class single_steps : public testing::Test {
protected:
    void SetUp() override { SKIP_WITHOUT_EMULATION(); }
};

TEST_F(single_steps, convolutions_of_the_input_have_any_size_stride_and_channels) {
    plan_maker p;
    static_cast<void>(p.first(16, 2));
    static_cast<void>(p.first(32, 1));
    static_cast<void>(p.first(20, 2));
    plan_convolution unpadded;
    unpadded.y = p.map(24, 2);
    unpadded.kernel = 3;
    unpadded.stride = 2;
    unpadded.act = activation::prelu;
    p.add(unpadded);
    for (const std::int32_t stride : {1, 2}) {
        for (const std::int32_t pad : {0, 1, 2}) {
            plan_convolution wide;
            wide.y = p.map(24, stride);
            wide.kernel = 5;
            wide.stride = stride;
            wide.pad = pad;
            wide.act = activation::relu;
            p.add(wide);
        }
    }
    expect_as_computed(p.made(), plain_card(), 20, 44, 2);
}

TEST_F(single_steps, blocks_have_any_channels_and_strides) {
    plan_maker p;
    auto x = p.first(8, 2);
    for (const std::int32_t channels : {12, 40, 16, 96, 24, 200})
        x = p.block(x, channels, 1);
    x = p.block(x, 36, 2);
    plan_convolution unpadded;
    unpadded.x = p.first(16, 2);
    unpadded.y = p.map(16, 4);
    unpadded.stride = 2;
    unpadded.depthwise = unpadded.depthwise_relu = true;
    unpadded.act = activation::relu;
    p.add(unpadded);
    expect_as_computed(p.made(), plain_card(), 12, 28, 2);
}

// Every way of joining, before and after every activation, of as many channels as the output and of fewer.
TEST_F(single_steps, every_join_meets_every_activation) {
    for (const joining join : {joining::same, joining::pooled, joining::doubled, joining::smoothed}) {
        for (const activation act : {activation::none, activation::relu, activation::prelu}) {
            for (const bool first : {true, false}) {
                for (const std::int32_t fewer : {0, 12}) {
                    SCOPED_TRACE(testing::Message() << static_cast<int>(join) << " " << static_cast<int>(act) << " "
                                                    << first << " " << fewer);
                    plan_maker p;
                    const auto x = p.first(16, 2);
                    const std::int32_t down = join == joining::same ? 2 : join == joining::pooled ? 1 : 4;
                    plan_convolution c;
                    c.joined = down == 4 ? p.block(x, 40 - fewer, 2) : p.first(40 - fewer, down);
                    c.x = x;
                    c.y = p.map(40, 2);
                    c.depthwise = true;
                    c.pad = 1;
                    c.act = act;
                    c.join = join;
                    c.joined_first = first;
                    p.add(c);
                    // And behind a dense convolution.
                    c.depthwise = false;
                    c.kernel = 3;
                    c.y = p.map(40, 2);
                    p.add(c);
                    expect_as_computed(p.made(), plain_card(), 12, 20);
                }
            }
        }
    }
}

TEST_F(single_steps, maps_can_be_pooled_before_they_are_mixed) {
    plan_maker p;
    plan_convolution c;
    c.x = p.first(20, 2);
    c.y = p.map(30, 4);
    c.pool_first = true;
    p.add(c);
    expect_as_computed(p.made(), plain_card(), 28, 12, 2);
}

TEST_F(single_steps, several_fill_one_map) {
    plan_maker p;
    const auto x = p.first(16, 2);
    plan_convolution c;
    c.x = x;
    c.y = p.map(44, 2);
    c.act = activation::relu;
    p.add(c, 16);
    c.into = 16;
    c.kernel = 3;
    c.pad = 1;
    p.add(c, 12);
    c.into = 28;
    p.add(c, 16);
    static_cast<void>(p.block(c.y, 16, 1));
    expect_as_computed(p.made(), plain_card(), 12, 12);
}

TEST_F(single_steps, dense_convolutions_have_any_channels) {
    plan_maker p;
    auto x = p.first(8, 2);
    for (const std::int32_t channels : {70, 16, 130, 24}) {
        plan_convolution c;
        c.x = x;
        c.y = p.map(channels, 2);
        c.kernel = 3;
        c.pad = 1;
        p.add(c);
        x = c.y;
    }
    expect_as_computed(p.made(), plain_card(), 20, 36, 2);
}

TEST_F(single_steps, heads_give_planes_cells_and_shares) {
    plan_maker p;
    plan_head h;
    h.x = p.first(24, 2);
    h.parts = {
        {"", -1, 4, false, true}, {"", -1, 8, false, false}, {"", -1, 5, true, false}, {"", -1, 3, false, false}};
    p.add(h);
    expect_as_computed(p.made(), plain_card(), 12, 20, 3);
}

TEST_F(single_steps, dense_layers_take_maps_of_any_size_for_any_number_of_pictures) {
    for (const std::int32_t side : {1, 3, 8}) {
        plan_maker p;
        auto x = p.first(side == 8 ? 72 : 20, 1);  // 8 x 8 x 80: in several pieces
        auto& m = p.made().maps.back();
        m.down = 0;
        m.height = m.width = side;
        p.made().input.height = p.made().input.width = side;
        p.made().input.multiple = 1;
        inference::plan_dense d;
        d.x = x;
        d.y = p.vector(37);
        d.inputs = side * side * p.made().maps.back().channels;
        d.outputs = 37;
        d.weights = p.weights(std::int64_t{d.inputs} * d.outputs, d.inputs);
        d.bias = p.weights(d.outputs, 25);
        p.made().steps.emplace_back(d);
        expect_as_computed(p.made(), plain_card(), side, side, side == 3 ? 19 : 2);
    }
}

}  // namespace
}  // namespace faceflow::internal
