// SPDX-License-Identifier: Apache-2.0
// Whole networks on the CPU's kernels: every tensor beside ONNX Runtime's.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "fused_testing.hpp"
#include "helpers/host_network.hpp"

namespace faceflow::internal {
namespace {

using test::blazeface_subject;
using test::crop;
using test::graph_reference;
using test::host_network;
using test::instruction_sets;
using test::mesh_subject;
using test::missing;
using test::relative_error;
using test::retinaface_subject;
using test::subject;

const std::int64_t best_set = instruction_sets().front();

class cpu_networks : public testing::TestWithParam<std::int64_t> {
protected:
    void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
    void TearDown() override { hwy::SetSupportedTargetsForTest(0); }

    static void show(host_network& n, std::int32_t picture, const std::vector<float>& rgb) {
        std::vector<float> scaled(rgb.size());
        for (std::size_t i = 0; i < rgb.size(); ++i)
            scaled[i] = rgb[i] * n.plan().input.scale + n.plan().input.bias;
        n.set_input(picture, scaled);
    }

    // Every map and vector of a picture that the graph has by that name.
    static void compare(const subject& s, const host_network& n, const graph_reference& r) {
        double worst = 0;
        int compared = 0;
        std::string worst_name;
        const auto note = [&](const std::string& name, double error) {
            EXPECT_LT(error, 1e-4) << name;
            ++compared;
            if (error <= worst) return;
            worst = error;
            worst_name = name;
        };
        for (std::size_t i = 0; i < n.plan().maps.size(); ++i) {
            const inference::plan_map& m = n.plan().maps[i];
            const std::vector<float> wanted = r.map(m.name, m.channels);
            if (!wanted.empty()) note(m.name, relative_error(n.map(static_cast<int>(i)), wanted));
        }
        for (std::size_t i = 0; i < n.plan().vectors.size(); ++i) {
            const std::string& name = n.plan().vectors[i].name;
            const std::vector<float> wanted = r.vector(name);
            if (!wanted.empty()) note(name, relative_error(n.vector(static_cast<int>(i), 0), wanted));
        }
        EXPECT_GE(compared, static_cast<int>(n.plan().maps.size()));
        std::printf("%s, %s: %d tensors, the largest relative error is %.1e (%s)\n", s.name.c_str(),
                    std::string(n.network().kernels().target).c_str(), compared, worst, worst_name.c_str());
    }

    static void run_and_compare(const subject& s) {
        SKIP_WITHOUT_ONNXRUNTIME();
        if (missing(s)) GTEST_SKIP() << s.model << " is absent: run tools/setup.sh";
        host_network n(test::plan_of(s), s.height, s.width, 1, host_network::maps::kept);
        const std::vector<float> rgb = crop(0, s.height, s.width);
        show(n, 0, rgb);
        n.run(0, 1);
        graph_reference r(s);
        r.run(rgb);
        compare(s, n, r);
    }

    // Three pictures at once; each by itself, its steps' parts from the last to the first; with maps that are whole.
    static void expect_same_bits(const subject& s) {
        if (missing(s)) GTEST_SKIP() << s.model << " is absent: run tools/setup.sh";
        host_network three(test::plan_of(s), s.height, s.width, 3), one(test::plan_of(s), s.height, s.width, 1),
            whole(test::plan_of(s), s.height, s.width, 1, host_network::maps::kept);
        for (int i = 0; i < 3; ++i)
            show(three, i, crop(i, s.height, s.width));
        three.run(0, 3);
        for (int i = 0; i < 3; ++i) {
            show(one, 0, crop(i, s.height, s.width));
            one.run_backwards(0);
            show(whole, 0, crop(i, s.height, s.width));
            whole.run(0, 1);
            for (int v = 0; v < static_cast<int>(one.plan().vectors.size()); ++v) {
                EXPECT_EQ(one.vector(v, 0), three.vector(v, i)) << "picture " << i << ", vector " << v;
                EXPECT_EQ(one.vector(v, 0), whole.vector(v, 0)) << "picture " << i << ", vector " << v;
            }
        }
    }
};

TEST_P(cpu_networks, every_tensor_of_the_mesh_is_what_the_graph_makes) {
    run_and_compare(mesh_subject());
}
TEST_P(cpu_networks, every_tensor_of_blazeface_is_what_the_graph_makes) {
    run_and_compare(blazeface_subject());
}
TEST_P(cpu_networks, every_tensor_of_retinaface_is_what_the_graph_makes) {
    run_and_compare(retinaface_subject());
    run_and_compare(retinaface_subject(64, 32));
    run_and_compare(retinaface_subject(32, 32));
    run_and_compare(retinaface_subject(384, 640));
}

TEST_P(cpu_networks, the_mesh_is_the_same_in_any_batch) {
    expect_same_bits(mesh_subject());
}
TEST_P(cpu_networks, blazeface_is_the_same_in_any_batch) {
    expect_same_bits(blazeface_subject());
}
TEST_P(cpu_networks, retinaface_is_the_same_in_any_batch) {
    expect_same_bits(retinaface_subject());
    expect_same_bits(retinaface_subject(352, 608));
}

// How far the landmarks of two meshes lie apart at most, in pixels of the crop.
struct mesh_distance {
    double across = 0, depth = 0;

    void add(const std::vector<float>& own, const std::vector<float>& wanted) {
        ASSERT_EQ(own.size(), wanted.size());
        ASSERT_FALSE(own.empty());
        for (std::size_t k = 0; k < own.size(); k += 3) {
            across = std::max(across, static_cast<double>(std::hypot(own[k] - wanted[k], own[k + 1] - wanted[k + 1])));
            depth = std::max(depth, std::abs(static_cast<double>(own[k + 2]) - wanted[k + 2]));
        }
    }
};

// A golden's crop as a tracker's error, a turned head and a closer camera would give it.
std::vector<float> shaken(const std::vector<float>& rgb, std::mt19937& random) {
    constexpr std::int32_t side = 192;
    std::vector<std::uint8_t> bytes(rgb.size());
    std::transform(rgb.begin(), rgb.end(), bytes.begin(),
                   [](float v) { return static_cast<std::uint8_t>(std::lround(255 * v)); });
    image picture;
    picture.format = pixel_format::rgb24;
    picture.width = picture.height = side;
    picture.planes[0] = {bytes.data(), std::ptrdiff_t{3} * side};
    const auto between = [&](float low, float high) {
        return low + (high - low) * static_cast<float>(random()) / static_cast<float>(std::mt19937::max());
    };
    const float angle = between(-0.6f, 0.6f), scale = between(0.7f, 1.3f), c = scale * std::cos(angle),
                s = scale * std::sin(angle), middle = side / 2.0f;
    const vision::affine from_crop{c, -s, middle * (1 - c + s) + between(-20, 20),
                                   s, c,  middle * (1 - c - s) + between(-20, 20)};
    std::vector<float> planar(rgb.size()), out(rgb.size());
    vision::sample(vision::make_sampling_source(picture), from_crop, vision::planes(planar.data(), side, side));
    const std::size_t pixels = out.size() / 3;
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = planar[i % 3 * pixels + i / 3];
    return out;
}

TEST_P(cpu_networks, landmarks_are_within_a_thousandth_of_a_pixel) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const subject s = mesh_subject();
    if (missing(s)) GTEST_SKIP() << s.model << " is absent: run tools/setup.sh";
    host_network n(test::plan_of(s), s.height, s.width, 1);
    graph_reference r(s);
    std::mt19937 random(16);
    mesh_distance off;
    const std::vector<float> goldens[] = {crop(0, s.height, s.width), crop(1, s.height, s.width),
                                          crop(2, s.height, s.width)};
    const int crops = !FACEFLOW_SANITIZED && GetParam() == best_set ? 1000 : 20;
    for (int i = 0; i < crops; ++i) {
        const std::vector<float>& golden = goldens[i % 3];
        const std::vector<float> rgb = i < 3 ? golden : shaken(golden, random);
        show(n, 0, rgb);
        n.run(0, 1);
        r.run(rgb);
        off.add(n.vector("landmarks", 0), r.vector("landmarks"));
    }
    std::printf("landmarks of %d crops, %s: off by %.1e px at most, in depth by %.1e\n", crops,
                std::string(n.network().kernels().target).c_str(), off.across, off.depth);
    EXPECT_LE(off.across, 1e-3);
    EXPECT_LE(off.depth, 1e-3);
}

// Sums in the same order, each product and addition rounded once.
TEST(cpu_instruction_sets, that_fuse_multiplications_and_additions_compute_the_same_bytes) {
    const auto sets = instruction_sets();
    const auto has = [&](std::int64_t one) { return std::find(sets.begin(), sets.end(), one) != sets.end(); };
    if (!has(HWY_AVX2) || !has(HWY_AVX3)) GTEST_SKIP() << "this machine has not both AVX2 and AVX-512";
    for (const subject& s : {mesh_subject(), blazeface_subject(), retinaface_subject()}) {
        if (missing(s)) continue;
        std::vector<std::vector<float>> results[2];
        const std::vector<float> rgb = crop(0, s.height, s.width);
        for (const bool wide : {false, true}) {
            hwy::SetSupportedTargetsForTest(wide ? HWY_AVX3 : HWY_AVX2);
            host_network n(test::plan_of(s), s.height, s.width, 1);
            n.set_input(0, rgb);
            n.run(0, 1);
            for (int v = 0; v < static_cast<int>(n.plan().vectors.size()); ++v)
                results[wide ? 1 : 0].push_back(n.vector(v, 0));
        }
        hwy::SetSupportedTargetsForTest(0);
        EXPECT_EQ(results[0], results[1]) << s.name;
    }
}

INSTANTIATE_TEST_SUITE_P(kernels, cpu_networks, testing::ValuesIn(instruction_sets()),
                         [](const auto& i) { return std::string(hwy::TargetName(i.param)); });

}  // namespace
}  // namespace faceflow::internal
