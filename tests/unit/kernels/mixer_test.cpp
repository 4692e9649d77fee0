// SPDX-License-Identifier: Apache-2.0
// Mixers of all sizes, held to double precision: on the CPU in each instruction set, and as the GPU's kernel.
#include <hwy/targets.h>

#include "helpers/host_network.hpp"
#include "kernel_testing.hpp"

namespace faceflow::internal {
namespace {

using emulation::emulated_network;
using inference::plan_mixer;
using test::plan_maker;

struct mixer_case {
    plan_mixer sizes;
    std::size_t layers;
};

plan_mixer sizes(std::int32_t points, std::int32_t tokens, std::int32_t channels, std::int32_t token_hidden,
                 std::int32_t channel_hidden, std::int32_t outputs) {
    plan_mixer m;
    m.points = points;
    m.tokens = tokens;
    m.channels = channels;
    m.token_hidden = token_hidden;
    m.channel_hidden = channel_hidden;
    m.outputs = outputs;
    return m;
}

const std::vector<mixer_case>& cases() {
    static const std::vector<mixer_case> all{{sizes(146, 97, 64, 384, 256, 52), 4},  // that of blendshapes
                                             {sizes(11, 18, 32, 64, 128, 7), 2},
                                             {sizes(5, 2, 16, 64, 64, 1), 1},
                                             {sizes(40, 33, 48, 192, 64, 16), 3},
                                             {sizes(9, 5, 16, 64, 64, 3), 0}};
    return all;
}

std::vector<float> points_of(std::int32_t points, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> spread(400, 70);
    std::vector<float> all(2 * static_cast<std::size_t>(points));
    for (float& v : all)
        v = spread(random);
    return all;
}

std::vector<float> wanted(const inference::plan& p, const std::vector<float>& points) {
    return test::plan_reference(p, {p.input.height, 2, 1, points}).vectors.front();
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    float most = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        most = std::isfinite(a[i]) ? std::max(most, std::fabs(a[i] - b[i])) : 1;
    return most;
}

class cpu_mixer : public testing::TestWithParam<std::int64_t> {
protected:
    void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
    void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

TEST_P(cpu_mixer, gives_what_its_plan_says) {
    std::uint32_t seed = 3;
    for (const mixer_case& c : cases()) {
        plan_maker p = test::plan_of_mixer(c.sizes, c.layers, ++seed);
        test::host_network network(p.made(), c.sizes.points, 2, 3);
        std::vector<std::vector<float>> points;
        for (std::int32_t i = 0; i < 3; ++i) {
            points.push_back(points_of(c.sizes.points, seed + static_cast<std::uint32_t>(i)));
            network.set_points(i, points.back());
        }
        network.run(0, 2);
        network.run(2, 1);
        for (std::int32_t i = 0; i < 3; ++i) {
            const auto want = wanted(p.made(), points[static_cast<std::size_t>(i)]);
            EXPECT_LT(largest_difference(network.vector(0, i), want), 2e-5f) << c.sizes.tokens << " tokens, face " << i;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(kernels, cpu_mixer, testing::ValuesIn(test::instruction_sets()),
                         [](const auto& i) { return std::string(hwy::TargetName(i.param)); });

TEST(mixer_kernel, gives_what_its_plan_says_but_for_the_rounding_to_halves) {
    std::uint32_t seed = 3;
    for (const mixer_case& c : cases()) {
        plan_maker p = test::plan_of_mixer(c.sizes, c.layers, ++seed);
        const auto made = inference::kernels::network::make(p.made(), emulation::large_card());
        ASSERT_OK(made);
        auto network = emulated_network::make(*made, c.sizes.points, 2, 2);
        ASSERT_OK(network);
        std::vector<std::vector<float>> points;
        for (std::int32_t i = 0; i < 2; ++i) {
            points.push_back(points_of(c.sizes.points, seed + static_cast<std::uint32_t>(i)));
            network->set_points(i, points.back());
        }
        for (const auto order : {emulation::order::forwards, emulation::order::backwards}) {
            ASSERT_OK(network->run(2, order));
            for (std::int32_t i = 0; i < 2; ++i) {
                const auto want = wanted(p.made(), points[static_cast<std::size_t>(i)]);
                EXPECT_LT(largest_difference(network->vector(0, i), want), 5e-3f)
                    << c.sizes.tokens << " tokens, face " << i;
            }
        }
    }
}

TEST(mixer_kernel, refuses_what_it_has_no_room_for) {
    for (const plan_mixer& m : {sizes(5, 9, 24, 64, 64, 1), sizes(5, 9, 16, 48, 64, 1), sizes(5, 600, 64, 64, 64, 1)}) {
        plan_maker p = test::plan_of_mixer(m, 1);
        const auto refused = inference::kernels::network::make(p.made(), emulation::large_card());
        ASSERT_FALSE(refused) << m.tokens << " tokens";
        EXPECT_EQ(refused.error().code, errc::unsupported);
    }
}

}  // namespace
}  // namespace faceflow::internal
