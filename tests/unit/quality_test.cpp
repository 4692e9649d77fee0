// SPDX-License-Identifier: Apache-2.0
// Brightness, contrast and sharpness of crops whose pixels are known.
#include "vision/quality.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "vision/sample.hpp"

namespace faceflow::internal::vision {
namespace {

using colour_at_point = std::function<rgb<float>(float x, float y)>;  // of 0..1, at a place of 0..1 in the crop

// A crop as a mesh sees it.
struct drawn_crop {
    std::vector<std::byte> memory;
    tensor_target target;

    drawn_crop(const colour_at_point& colour, std::int32_t size, float scale = 1, float bias = 0,
               tensor_format format = tensor_format::planar_float) {
        target = {nullptr, size, size, scale, bias, format};
        memory.resize(target.bytes());
        target.data = memory.data();
        for (std::int32_t v = 0; v < size; ++v) {
            for (std::int32_t u = 0; u < size; ++u)
                scalar::store(target, u, v,
                              colour((static_cast<float>(u) + 0.5f) / static_cast<float>(size),
                                     (static_cast<float>(v) + 0.5f) / static_cast<float>(size)));
        }
    }

    [[nodiscard]] picture_quality measured() const {
        quality_scratch scratch;
        picture_quality q;
        measure_quality(serial_block{}, target, scratch, &q);
        return q;
    }
};

rgb<float> grey(float l) {
    return {l, l, l};
}

picture_quality quality_of(const colour_at_point& colour, std::int32_t size = 192) {
    return drawn_crop(colour, size).measured();
}

// Stripes of some pixels of 192, across the crop.
rgb<float> stripes(float x, float wide) {
    return grey(0.5f + 0.3f * std::sin(2 * 3.14159265f * x * 192 / wide));
}

TEST(quality, of_one_grey_is_its_level_without_contrast_whatever_form_the_mesh_wants) {
    for (const auto& [scale, bias] : {std::pair{1.0f, 0.0f}, {2.0f, -1.0f}, {255.0f, 0.0f}}) {
        for (const tensor_format format : {tensor_format::planar_float, tensor_format::packed_half}) {
            for (const std::int32_t size : {192, 256, 48}) {
                for (const float level : {0.0f, 0.25f, 1.0f}) {
                    const auto q =
                        drawn_crop([&](float, float) { return grey(level); }, size, scale, bias, format).measured();
                    EXPECT_NEAR(q.brightness, 255 * level, 0.05);
                    EXPECT_NEAR(q.contrast, 0, 1e-3);
                    EXPECT_NEAR(q.sharpness, 0, 1e-6);
                }
            }
        }
    }
}

TEST(quality, weighs_colours_as_bt601_does) {
    EXPECT_NEAR(quality_of([](float, float) { return rgb<float>{1, 0, 0}; }).brightness, 0.299 * 255, 1e-3);
    EXPECT_NEAR(quality_of([](float, float) { return rgb<float>{0, 1, 0}; }).brightness, 0.587 * 255, 1e-3);
    EXPECT_NEAR(quality_of([](float, float) { return rgb<float>{0, 0, 1}; }).brightness, 0.114 * 255, 1e-3);
}

// The formulas of docs/measures.md, term by term.
picture_quality by_the_book(const drawn_crop& crop) {
    const auto* const values = crop.target.floats();
    const std::int32_t size = crop.target.width, first = size / 4;
    const auto luma = [&](std::int32_t u, std::int32_t v) {
        const std::int32_t at = (v + first) * size + u + first, area = size * size;
        return 255 *
               (0.299 * double{values[at]} + 0.587 * double{values[at + area]} + 0.114 * double{values[at + 2 * area]});
    };
    const auto statistics = [](const std::vector<double>& of) {
        double mean = 0, variance = 0;
        for (const double x : of)
            mean += x / static_cast<double>(of.size());
        for (const double x : of)
            variance += (x - mean) * (x - mean) / static_cast<double>(of.size());
        return std::pair{mean, variance};
    };
    std::vector<double> all, laplacian;
    for (std::int32_t v = 0; v < patch_size; ++v) {
        for (std::int32_t u = 0; u < patch_size; ++u) {
            all.push_back(luma(u, v));
            if (u > 0 && v > 0 && u + 1 < patch_size && v + 1 < patch_size) {
                laplacian.push_back(luma(u - 1, v) + luma(u + 1, v) + luma(u, v - 1) + luma(u, v + 1) - 4 * luma(u, v));
            }
        }
    }
    const auto [mean, variance] = statistics(all);
    return {static_cast<float>(mean), static_cast<float>(std::sqrt(variance)),
            static_cast<float>(statistics(laplacian).second)};
}

TEST(quality, is_mean_and_deviation_of_luma_and_the_variance_of_its_laplacian) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> unit(0, 1);
    const drawn_crop noise(
        [&](float x, float) {
            return rgb<float>{unit(random), 0.5f * unit(random), 0.5f * x};
        },
        192);
    const drawn_crop calm([&](float x, float y) { return rgb<float>{0.9f * x, 0.3f + 0.1f * y * y, 0.2f}; }, 192);
    for (const drawn_crop* crop : {&noise, &calm}) {
        const picture_quality got = crop->measured(), wanted = by_the_book(*crop);
        EXPECT_NEAR(got.brightness, wanted.brightness, 1e-3);
        EXPECT_NEAR(got.contrast, wanted.contrast, 1e-3);
        EXPECT_NEAR(got.sharpness, wanted.sharpness, 1e-4 * wanted.sharpness + 1e-5);
        EXPECT_GT(wanted.contrast, 5);
    }
}

TEST(quality, falls_where_a_face_is_blurred_or_darkened) {
    const auto of_stripes = [](float wide, float light) {
        return quality_of([=](float x, float) {
            const float l = stripes(x, wide).r;
            return grey(light * l);
        });
    };
    const auto fine = of_stripes(6, 1), coarse = of_stripes(24, 1), dark = of_stripes(6, 0.3f);
    EXPECT_LT(coarse.sharpness, 0.02f * fine.sharpness);
    EXPECT_NEAR(coarse.brightness, fine.brightness, 0.1);
    EXPECT_NEAR(dark.brightness, 0.3f * fine.brightness, 0.1);
    EXPECT_NEAR(dark.contrast, 0.3f * fine.contrast, 0.1);
    EXPECT_NEAR(dark.sharpness, 0.09f * fine.sharpness, 0.01f * fine.sharpness) << "its square: contrast is part of it";
}

TEST(quality, does_not_see_what_lies_around_the_face) {
    const auto scene = [](float around) {
        return quality_of([=](float x, float y) {
            const bool face = std::abs(x - 0.5f) < 0.25f && std::abs(y - 0.5f) < 0.25f;
            return face ? stripes(x, 8) : grey(around);
        });
    };
    const auto a = scene(0), b = scene(1);
    EXPECT_EQ(a.brightness, b.brightness);
    EXPECT_EQ(a.contrast, b.contrast);
    EXPECT_EQ(a.sharpness, b.sharpness);
}

TEST(quality, is_nearly_the_same_for_meshes_of_other_sizes) {
    for (const float wide : {8.0f, 16.0f, 40.0f}) {
        const auto small = quality_of([=](float x, float) { return stripes(x, wide); }, 192);
        const auto large = quality_of([=](float x, float) { return stripes(x, wide); }, 256);
        EXPECT_NEAR(large.brightness, small.brightness, 0.1);
        EXPECT_NEAR(large.contrast, small.contrast, 0.07f * small.contrast) << wide;
        EXPECT_NEAR(large.sharpness, small.sharpness, 0.16f * small.sharpness) << wide;
    }
}

TEST(quality, of_values_that_are_no_numbers_is_a_number) {
    const auto q = quality_of([](float, float) { return grey(NAN); });
    EXPECT_EQ(q.brightness, 0);
    EXPECT_EQ(q.sharpness, 0);
}

}  // namespace
}  // namespace faceflow::internal::vision
