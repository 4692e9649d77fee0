// SPDX-License-Identifier: Apache-2.0
// Whole networks on our own kernels, run by the emulation on the CPU: every tensor beside ONNX Runtime's in single precision.
#include <gtest/gtest.h>

#include <cmath>

#include "fused_testing.hpp"
#include "helpers/emulated_network.hpp"

namespace faceflow::internal {
namespace {

using emulation::emulated_network;
using inference::kernels::card;
using inference::kernels::network;
using test::blazeface_subject;
using test::crop;
using test::mesh_subject;
using test::missing;
using test::plan_of;
using test::relative_error;
using test::retinaface_subject;
using test::subject;

constexpr const char* no_own_kernels = "BlazeFace has no kernels of its own size";

class fused_networks : public testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        if (!emulation::available()) GTEST_SKIP() << "the emulation's fibres are beyond ThreadSanitizer";
    }

    // A sanitizer sees in one run what it sees in all.
#define SKIP_REPETITION() \
    if (test::sanitized) GTEST_SKIP() << "the same kernels on more pictures: not under a sanitizer"

    static card on() {
        card c = emulation::large_card();
        c.fused = GetParam();
        return c;
    }

    static emulated_network emulated(const subject& s, std::int32_t most, const card& c, bool keep = true) {
        auto made = network::make(plan_of(s), c);
        EXPECT_OK(made);
        auto there = emulated_network::make(*made, s.height, s.width, most, keep);
        EXPECT_OK(there);
        return *std::move(there);
    }

    static void show(emulated_network& n, std::int32_t picture, const std::vector<float>& rgb) {
        std::vector<float> scaled(rgb.size());
        for (std::size_t i = 0; i < rgb.size(); ++i)
            scaled[i] = rgb[i] * n.plan().input.scale + n.plan().input.bias;
        n.set_input(picture, scaled);
    }

    // Every tensor of a picture. What the last fused step of a level adds to a map stays in its kernel: `whole` says which channels
    // of a map are there.
    static void compare(const subject& s, emulated_network& n, std::int32_t picture, const test::graph_reference& r) {
        double worst = 0;
        int compared = 0;
        std::string worst_name;
        const auto note = [&](const std::string& name, double error) {
            EXPECT_LT(error, 2e-2) << name;
            EXPECT_FALSE(std::isnan(error)) << name;
            ++compared;
            if (error <= worst) return;
            worst = error;
            worst_name = name;
        };
        for (std::size_t i = 0; i < n.plan().maps.size(); ++i) {
            const inference::plan_map& m = n.plan().maps[i];
            const auto index = static_cast<inference::tensor_index>(i);
            std::vector<float> wanted = r.map(m.name, m.channels);
            if (!n.has_map(index) || wanted.empty()) continue;
            std::vector<float> own = n.map(index, picture);
            const auto channels = static_cast<std::size_t>(m.channels);
            const auto stored = static_cast<std::size_t>(inference::kernels::stored_channels(m.channels));
            const bool part = GetParam() && m.name.find("concat_relu") != std::string::npos;
            const std::size_t there = part ? 48 : channels;
            std::vector<float> a, b;
            for (std::size_t k = 0; k < own.size(); ++k) {
                const std::size_t c = k % stored;
                if (c < there) {
                    a.push_back(own[k]);
                    b.push_back(wanted[k / stored * channels + c]);
                } else if (c >= channels) {
                    ASSERT_EQ(own[k], 0.f) << m.name << ": a channel that only fills up";
                }
            }
            note(m.name, relative_error(a, b));
        }
        for (std::size_t i = 0; i < n.plan().vectors.size(); ++i) {
            const std::string& name = n.plan().vectors[i].name;
            const auto index = static_cast<inference::tensor_index>(i);
            const std::vector<float> wanted = r.vector(name);
            if (n.has_vector(index) && !wanted.empty()) note(name, relative_error(n.vector(index, picture), wanted));
        }
        EXPECT_GT(compared, 8);
        std::printf("%s, %s: %d tensors, the largest relative error is %.1e (%s)\n", s.name.c_str(),
                    n.network().target.fused ? "fused" : "a kernel a step", compared, worst, worst_name.c_str());
    }

    static void run_and_compare(const subject& s, const card& c) {
        SKIP_WITHOUT_ONNXRUNTIME();
        if (missing(s)) GTEST_SKIP() << s.model << " is absent: run tools/setup.sh";
        emulated_network n = emulated(s, 1, c);
        const std::vector<float> rgb = crop(0, s.height, s.width);
        show(n, 0, rgb);
        ASSERT_OK(n.run(1));
        test::graph_reference r(s);
        r.run(rgb);
        compare(s, n, 0, r);
    }

    // All vectors of a picture.
    static std::vector<float> outputs(emulated_network& n, std::int32_t picture) {
        std::vector<float> all;
        for (std::size_t i = 0; i < n.plan().vectors.size(); ++i) {
            const auto index = static_cast<inference::tensor_index>(i);
            if (!n.has_vector(index)) continue;
            const std::vector<float> part = n.vector(index, picture);
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }

    // Three pictures at once, and each by itself; threads in the other order; a card that cuts the work otherwise.
    static void expect_same_bits(const subject& s) {
        if (missing(s)) GTEST_SKIP() << s.model << " is absent: run tools/setup.sh";
        emulated_network three = emulated(s, 3, on(), false), one = emulated(s, 1, on(), false);
        card few = on();
        few.multiprocessors = 2;
        emulated_network large_pieces = emulated(s, 3, few, false);
        for (int i = 0; i < 3; ++i) {
            const std::vector<float> rgb = crop(i, s.height, s.width);
            show(three, i, rgb);
            show(large_pieces, i, rgb);
        }
        ASSERT_OK(three.run(3));
        ASSERT_OK(large_pieces.run(3, emulation::order::backwards));
        for (int i = 0; i < 3; ++i) {
            one.forget();
            show(one, 0, crop(i, s.height, s.width));
            ASSERT_OK(one.run(1));
            const std::vector<float> alone = outputs(one, 0);
            EXPECT_EQ(alone, outputs(three, i)) << "picture " << i;
            EXPECT_EQ(alone, outputs(large_pieces, i)) << "picture " << i;
        }
    }

    static std::size_t count_launches(const subject& s, std::int32_t pictures) {
        return emulated(s, pictures, on(), false).launches(pictures).size();
    }
};

TEST_P(fused_networks, every_tensor_of_the_mesh_is_what_the_graph_makes) {
    run_and_compare(mesh_subject(), on());
}
TEST_P(fused_networks, every_tensor_of_blazeface_is_what_the_graph_makes) {
    if (GetParam()) GTEST_SKIP() << no_own_kernels;
    run_and_compare(blazeface_subject(), on());
}
TEST_P(fused_networks, every_tensor_of_retinaface_is_what_the_graph_makes) {
    run_and_compare(retinaface_subject(), on());
    run_and_compare(retinaface_subject(64, 32), on());
}

// An A100, an RTX 4090 and an RTX 2080 have less shared memory, and other kernels.
TEST_P(fused_networks, cards_with_less_shared_memory_compute_the_same) {
    SKIP_REPETITION();
    if (!GetParam()) GTEST_SKIP() << "kernels a step fit every card";
    const card a100{163 * 1024, 164 * 1024, 2048, 108, true}, ada{99 * 1024, 100 * 1024, 1536, 128, true},
        turing{64 * 1024, 64 * 1024, 1024, 46, true};
    for (const card& c : {a100, ada, turing}) {
        run_and_compare(mesh_subject(), c);
        run_and_compare(retinaface_subject(), c);
    }
}

TEST_P(fused_networks, the_mesh_is_the_same_in_any_batch) {
    SKIP_REPETITION();
    expect_same_bits(mesh_subject());
}
TEST_P(fused_networks, blazeface_is_the_same_in_any_batch) {
    SKIP_REPETITION();
    if (GetParam()) GTEST_SKIP() << no_own_kernels;
    expect_same_bits(blazeface_subject());
}
TEST_P(fused_networks, retinaface_is_the_same_in_any_batch) {
    SKIP_REPETITION();
    expect_same_bits(retinaface_subject());
}

TEST_P(fused_networks, landmarks_are_within_a_fifth_of_a_pixel) {
    SKIP_REPETITION();
    SKIP_WITHOUT_ONNXRUNTIME();
    const subject s = mesh_subject();
    emulated_network n = emulated(s, 1, on(), false);
    test::graph_reference r(s);
    double sum = 0, worst = 0, worst_depth = 0;
    int count = 0;
    for (int i = 0; i < 3; ++i) {
        const std::vector<float> rgb = crop(i, s.height, s.width);
        n.forget();
        show(n, 0, rgb);
        ASSERT_OK(n.run(1));
        r.run(rgb);
        const auto& vectors = n.plan().vectors;
        const auto at =
            std::find_if(vectors.begin(), vectors.end(), [](const auto& v) { return v.name == "landmarks"; });
        ASSERT_NE(at, vectors.end());
        const std::vector<float> own = n.vector(static_cast<inference::tensor_index>(at - vectors.begin()), 0);
        const std::vector<float> wanted = r.vector("landmarks");
        ASSERT_EQ(own.size(), wanted.size());
        for (std::size_t k = 0; k < own.size(); k += 3, ++count) {
            const double off = std::hypot(own[k] - wanted[k], own[k + 1] - wanted[k + 1]);
            sum += off;
            worst = std::max(worst, off);
            worst_depth = std::max(worst_depth, std::abs(static_cast<double>(own[k + 2]) - wanted[k + 2]));
        }
    }
    std::printf("landmarks, %s: off by %.4f px on average, by %.4f at most, in depth by %.4f\n",
                GetParam() ? "fused" : "a kernel a step", sum / count, worst, worst_depth);
    EXPECT_LE(sum / count, 0.02);
    EXPECT_LE(worst, 0.2);
    EXPECT_LE(worst_depth, 0.1);
}

// What speed stands on.
TEST_P(fused_networks, few_kernels_do_all_steps) {
    if (!GetParam()) GTEST_SKIP() << "a kernel a step are as many as steps";
    EXPECT_EQ(count_launches(mesh_subject(), 4), 9u);
    if (missing(retinaface_subject())) GTEST_SKIP() << "RetinaFace is absent: run tools/setup.sh";
    EXPECT_EQ(count_launches(retinaface_subject(), 1), 21u);
}

INSTANTIATE_TEST_SUITE_P(kernels, fused_networks, testing::Bool(),
                         [](const auto& i) { return i.param ? "fused" : "a_kernel_a_step"; });

}  // namespace
}  // namespace faceflow::internal
