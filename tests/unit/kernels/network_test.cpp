// SPDX-License-Identifier: Apache-2.0
// Which kernels a plan becomes, where its tensors lie, and that neither shows in what comes out.
#include <cstring>

#include "kernel_testing.hpp"

namespace faceflow::internal {
namespace {

using emulation::emulated_network;
using emulation::large_card;
using inference::joining;
using inference::plan_convolution;
using inference::kernels::card;
using inference::kernels::network;
using inference::kernels::tensor_placement;
using test::plan_maker;

// A plan with a long-lived map, short-lived ones, a map that two fill and a head.
plan_maker varied() {
    plan_maker p;
    const auto early = p.first(32, 2);
    auto x = p.block(early, 64, 2);
    x = p.block(x, 64, 1);
    x = p.block(x, 64, 1);
    plan_convolution up;
    up.x = early;
    up.y = p.map(64, 2);
    up.join = joining::doubled;
    up.joined = x;
    p.add(up);
    inference::plan_head h;
    h.x = p.block(up.y, 24, 1);
    h.parts = {{"", -1, 4, false, true}, {"", -1, 3, true, false}};
    p.add(h);
    return p;
}

std::shared_ptr<network> made(const inference::plan& p, const card& on) {
    auto n = network::make(p, on);
    EXPECT_OK(n);
    return *n;
}

TEST(tensor_placements, tensors_that_live_at_once_do_not_overlap) {
    for (const bool fused : {true, false}) {
        card on = large_card();
        on.fused = fused;
        plan_maker p = varied();
        const auto n = made(p.made(), on);
        const auto places = tensor_placement::make(*n, 20, 44, 3);
        ASSERT_OK(places);
        std::vector<tensor_placement::area> all;
        for (std::size_t i = 0; i < p.made().maps.size(); ++i)
            all.push_back(places->map(static_cast<inference::tensor_index>(i)));
        for (std::size_t i = 0; i < p.made().vectors.size(); ++i)
            all.push_back(places->vector(static_cast<inference::tensor_index>(i)));
        for (std::size_t i = 0; i < all.size(); ++i) {
            ASSERT_NE(all[i].at, tensor_placement::nowhere);
            EXPECT_EQ(all[i].at % 256, 0u);
            const bool is_map = i < p.made().maps.size();
            EXPECT_GE(all[i].at, is_map ? places->bytes_to_keep() : places->input_bytes());
            EXPECT_LE(all[i].at + all[i].bytes, is_map ? places->bytes() : places->bytes_to_keep());
            for (std::size_t j = 0; j < i; ++j) {
                const bool together = all[i].first <= all[j].last && all[j].first <= all[i].last;
                const bool overlap = all[i].at < all[j].at + all[j].bytes && all[j].at < all[i].at + all[i].bytes;
                EXPECT_FALSE(together && overlap) << i << " and " << j;
            }
        }
        // Some share.
        const auto kept = tensor_placement::make(*n, 20, 44, 3, true);
        ASSERT_OK(kept);
        EXPECT_LT(places->bytes(), kept->bytes());
    }
}

TEST(tensor_placements, sizes_that_the_network_does_not_take_are_refused) {
    plan_maker p = varied();
    const auto n = made(p.made(), large_card());
    for (const auto& [height, width, most] : {std::tuple{10, 8, 1}, {8, 0, 1}, {8, 8, 0}, {-4, 8, 1}}) {
        const auto places = tensor_placement::make(*n, height, width, most);
        ASSERT_FALSE(places);
        EXPECT_EQ(places.error().code, errc::invalid_argument);
    }
    const auto places = tensor_placement::make(*n, 32768, 32768, 4);  // more pixels than 32 bits count
    ASSERT_FALSE(places);
    EXPECT_EQ(places.error().code, errc::invalid_argument);
}

std::vector<std::byte> vectors_of(const std::shared_ptr<network>& n, std::int32_t pictures, std::int32_t shown,
                                  std::int32_t at) {
    auto run = emulated_network::make(n, 20, 44, 5, false);
    EXPECT_OK(run);
    for (std::int32_t i = 0; i < pictures; ++i)
        run->set_input(i, test::noise(20, 44, 3, i == at ? static_cast<std::uint32_t>(shown) : 99).values);
    EXPECT_OK(run->run(pictures));
    std::vector<std::byte> bytes;
    for (std::size_t v = 0; v < n->of.vectors.size(); ++v) {
        const auto values = run->vector(static_cast<inference::tensor_index>(v), at);
        const auto part = std::as_bytes(std::span(values));
        bytes.insert(bytes.end(), part.begin(), part.end());
    }
    return bytes;
}

TEST(networks, a_picture_comes_to_the_same_bits_in_any_batch_at_any_place_on_any_number_of_multiprocessors) {
    SKIP_WITHOUT_EMULATION();
    for (const bool fused : {true, false}) {
        card on = large_card();
        on.fused = fused;
        plan_maker p = varied();
        const auto alone = vectors_of(made(p.made(), on), 1, 5, 0);
        EXPECT_EQ(alone, vectors_of(made(p.made(), on), 5, 5, 3));
        on.multiprocessors = 1;
        EXPECT_EQ(alone, vectors_of(made(p.made(), on), 1, 5, 0));
        EXPECT_EQ(alone, vectors_of(made(p.made(), on), 4, 5, 2));
    }
}

TEST(networks, steps_that_no_kernel_fits_are_named) {
    plan_maker p;
    plan_convolution c;
    c.x = p.first(16, 2);
    c.y = p.map(16, 8);
    c.kernel = 3;
    c.stride = 4;
    c.pad = 1;
    p.add(c);
    const auto n = network::make(p.made(), large_card());
    ASSERT_FALSE(n);
    EXPECT_EQ(n.error().code, errc::unsupported);
    EXPECT_NE(n.error().message.find("step 1 of the plan, map1: a dense 3 x 3 convolution of stride 4"),
              std::string::npos)
        << n.error().message;
}

TEST(networks, weights_beyond_half_precision_are_refused) {
    plan_maker p = varied();
    p.made().weights[40] = 1e5f;
    const auto n = network::make(p.made(), large_card());
    ASSERT_FALSE(n);
    EXPECT_EQ(n.error().code, errc::unsupported);
}

}  // namespace
}  // namespace faceflow::internal
