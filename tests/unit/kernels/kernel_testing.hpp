// SPDX-License-Identifier: Apache-2.0
// Plans on the emulation, held to what they compute step by step.
#pragma once

#include "helpers/emulated_network.hpp"
#include "helpers/plans.hpp"
#include "inference/plan_check.hpp"
#include "support.hpp"

namespace faceflow::internal::test {

#define SKIP_WITHOUT_EMULATION() \
    if (!emulation::available()) GTEST_SKIP() << "the emulation's fibres are beyond ThreadSanitizer"

// `most` pictures of noise, all maps and vectors. Relative to the size of each tensor: rounding to half is 3e-4 of a value.
inline void expect_as_computed(const inference::plan& p, const inference::kernels::card& on, std::int32_t height,
                               std::int32_t width, std::int32_t pictures = 1, double tolerance = 4e-3) {
    ASSERT_OK(inference::check_plan(p));
    auto made = inference::kernels::network::make(p, on);
    ASSERT_OK(made);
    auto n = emulation::emulated_network::make(*made, height, width, pictures);
    ASSERT_OK(n);
    for (std::int32_t i = 0; i < pictures; ++i)
        n->set_input(i, noise(height, width, 3, 7 + static_cast<std::uint32_t>(i)).values);
    ASSERT_OK(n->run(pictures));
    const auto error_of = [](const std::vector<float>& a, const std::vector<float>& b) {
        double difference = 0, size = 1e-9;
        for (std::size_t i = 0; i < b.size(); ++i) {
            difference += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
            size += static_cast<double>(b[i]) * b[i];
        }
        return std::sqrt(difference / size);
    };
    int compared = 0;
    for (std::int32_t picture = 0; picture < pictures; ++picture) {
        plain_map input = noise(height, width, 3, 7 + static_cast<std::uint32_t>(picture));
        const plan_reference wanted(p, input);
        for (std::size_t i = 0; i < p.maps.size(); ++i) {
            const auto index = static_cast<inference::tensor_index>(i);
            if (!n->has_map(index)) continue;
            const auto own = n->map(index, picture);
            const auto channels = static_cast<std::size_t>(p.maps[i].channels);
            const auto stored = static_cast<std::size_t>(inference::kernels::stored_channels(p.maps[i].channels));
            std::vector<float> there;
            for (std::size_t k = 0; k < own.size(); ++k) {
                if (k % stored < channels)
                    there.push_back(own[k]);
                else
                    ASSERT_EQ(own[k], 0.f) << "map " << i << ", a channel that only fills up";
            }
            ASSERT_EQ(there.size(), wanted.maps[i].values.size());
            EXPECT_LT(error_of(there, wanted.maps[i].values), tolerance) << "map " << i << " of picture " << picture;
            ++compared;
        }
        for (std::size_t i = 0; i < p.vectors.size(); ++i) {
            const auto index = static_cast<inference::tensor_index>(i);
            const auto own = n->vector(index, picture);
            ASSERT_EQ(own.size(), wanted.vectors[i].size());
            EXPECT_LT(error_of(own, wanted.vectors[i]), tolerance) << "vector " << i << " of picture " << picture;
            ++compared;
        }
    }
    EXPECT_GT(compared, 0);
}

// One that has kernels for any size alone.
inline inference::kernels::card plain_card() {
    inference::kernels::card c = emulation::large_card();
    c.fused = false;
    return c;
}

}  // namespace faceflow::internal::test
