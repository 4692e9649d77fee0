// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>

#include "support.hpp"
#include "vision/sample.hpp"

namespace faceflow::internal::vision {
namespace {

using test::every_format;
using test::random_picture;

// Pixels that are not those of the scalar functions, of a target in which `l` places the picture or, without one, the
// map does.
std::size_t differences(const sampling_source& source, const affine& map, std::int32_t width, std::int32_t height,
                        const letterbox* l = nullptr) {
    const auto elements = static_cast<std::size_t>(3 * width * height);
    std::vector<float> fast(elements, -1), slow(elements, -2);
    const auto target = planes(fast.data(), width, height, 2, -0.5f);
    if (l != nullptr) {
        sample_letterbox(source, *l, target);
    } else {
        sample(source, map, target);
    }
    sample_reference(source, map, planes(slow.data(), width, height, 2, -0.5f));
    std::size_t count = 0;
    for (std::int32_t i = 0; i < 3 * width * height; ++i) {
        const std::int32_t u = i % width, v = i / width % height;
        const bool shown = l == nullptr || (u >= l->x_begin && u < l->x_end && v >= l->y_begin && v < l->y_end);
        const auto at = static_cast<std::size_t>(i);
        count += fast[at] != (shown ? slow[at] : -0.5f);
    }
    return count;
}

// The last row first in memory.
void turn_over(test::owned_picture& p) {
    for (int i = 0; i < layout_of(p.view.format).planes; ++i) {
        plane& of = p.view.planes[static_cast<std::size_t>(i)];
        const auto rows = extent_of(p.view.format, p.view.width, p.view.height, i).rows;
        of.data += static_cast<std::ptrdiff_t>(rows - 1) * of.stride;
        of.stride = -of.stride;
    }
}

class every_pixel_format : public testing::TestWithParam<pixel_format> {
protected:
    // In each instruction set of this machine.
    template <class Body>
    static void in_every_set(const Body& body) {
        for (const std::int64_t set : hwy::SupportedAndGeneratedTargets()) {
            hwy::SetSupportedTargetsForTest(set);
            SCOPED_TRACE(hwy::TargetName(set));
            body();
        }
        hwy::SetSupportedTargetsForTest(0);
    }
};

TEST_P(every_pixel_format, is_sampled_to_the_bytes_of_the_scalar_functions) {
    std::mt19937 random(7);
    const auto between = [&](float a, float b) { return std::uniform_real_distribution(a, b)(random); };
    const auto whole = [&](int a, int b) { return std::uniform_int_distribution(a, b)(random); };
    for (int i = 0; i < (test::sanitized ? 40 : 160); ++i) {
        const int w = i % 8 == 0 ? whole(1, 4) : i % 4 == 0 ? whole(100, 400) : whole(1, 90);
        const int h = i % 9 == 0 ? 1 : i % 4 == 0 ? whole(60, 200) : whole(1, 70);
        auto picture = random_picture(GetParam(), w, h, static_cast<std::uint32_t>(i), i % 2 * whole(1, 20));
        picture.view.site = i % 3 == 0 ? chroma_site::left : chroma_site::centre;
        picture.view.turn = static_cast<rotation>(i % 3 == 0 ? whole(0, 3) : 0);
        picture.view.mirrored = i % 5 == 0;
        if (i % 6 == 0) turn_over(picture);
        const auto source = make_sampling_source(picture.view);
        const auto x = static_cast<float>(w), y = static_cast<float>(h);
        // Inside, over each edge, and beyond; level or not.
        const region area{between(-0.2f * x, 1.2f * x), between(-0.2f * y, 1.2f * y), between(1, 1.5f * x + 2),
                          i % 10 == 0 ? 0 : between(-4, 4)};
        const std::int32_t width = whole(1, 70), height = whole(1, 40);
        const letterbox l = fit(picture.view.upright_width(), picture.view.upright_height(), width, height);
        SCOPED_TRACE(testing::Message() << i << ": " << w << "x" << h << " to " << width << "x" << height);
        in_every_set([&] {
            EXPECT_EQ(differences(source, frame_from_region(area, 33), 33, 33), 0u);
            EXPECT_EQ(differences(source, frame_from_letterbox(l), width, height, &l), 0u);
        });
    }
}

TEST_P(every_pixel_format, never_reads_outside_of_the_picture) {
    // The planes have no byte to spare; under a sanitizer any over-read ends the test.
    for (const auto& [w, h] : {std::pair{1, 1}, {3, 1}, {17, 9}, {641, 3}}) {
        const auto picture = random_picture(GetParam(), w, h, 3);
        const auto source = make_sampling_source(picture.view);
        const auto right = static_cast<float>(w), bottom = static_cast<float>(h);
        in_every_set([&] {
            for (const float turned : {0.0f, 0.3f}) {
                std::vector<float> out(3 * 16 * 16);
                sample(source, frame_from_region({right, bottom, 1e6f, turned}, 16), planes(out.data(), 16, 16));
                for (const float v : out)
                    EXPECT_TRUE(v >= 0 && v <= 1);
            }
        });
    }
}

INSTANTIATE_TEST_SUITE_P(formats, every_pixel_format, testing::ValuesIn(every_format),
                         [](const auto& format) { return std::string(name(format.param)); });

// One flat colour in a given YUV coding.
test::owned_picture flat_yuv(pixel_format format, std::uint8_t y, std::uint8_t u, std::uint8_t v) {
    auto p = random_picture(format, 16, 16, 1);
    for (auto& b : p.planes[0])
        b = y;
    for (auto& b : p.planes[1])
        b = u;
    for (auto& b : p.planes[2])
        b = v;
    return p;
}

std::array<float, 3> colour_of(const image& picture) {
    std::vector<float> out(3 * 16);
    sample(make_sampling_source(picture), affine{1, 0, 6, 0, 1, 6}, planes(out.data(), 4, 4));
    return {out[0], out[16], out[32]};
}

TEST(colour, primaries_of_each_matrix_and_range_come_out_right) {
    struct reference {
        colour_matrix matrix;
        colour_range range;
        std::uint8_t y, u, v;  // pure red after the standards, rounded to 8 bits
    };
    const reference reds[] = {
        {colour_matrix::bt601, colour_range::limited, 81, 90, 240},
        {colour_matrix::bt601, colour_range::full, 76, 85, 255},
        {colour_matrix::bt709, colour_range::limited, 63, 102, 240},
        {colour_matrix::bt709, colour_range::full, 54, 99, 255},
        {colour_matrix::bt2020, colour_range::limited, 74, 97, 240},
        {colour_matrix::bt2020, colour_range::full, 67, 92, 255},
    };
    for (const auto& r : reds) {
        auto p = flat_yuv(pixel_format::i420, r.y, r.u, r.v);
        p.view.matrix = r.matrix;
        p.view.range = r.range;
        const auto c = colour_of(p.view);
        EXPECT_NEAR(c[0], 1, 0.012) << static_cast<int>(r.matrix);
        EXPECT_NEAR(c[1], 0, 0.012);
        EXPECT_NEAR(c[2], 0, 0.012);
    }
}

TEST(colour, limited_black_and_white_are_0_and_1) {
    EXPECT_NEAR(colour_of(flat_yuv(pixel_format::i420, 16, 128, 128).view)[1], 0, 1e-6);
    EXPECT_NEAR(colour_of(flat_yuv(pixel_format::i420, 235, 128, 128).view)[1], 1, 1e-6);
}

TEST(colour, sampling_at_pixel_centres_gives_the_pixels_themselves) {
    const auto p = random_picture(pixel_format::bgr24, 32, 32, 5);
    std::vector<float> out(3 * 32 * 32);
    sample(make_sampling_source(p.view), affine{}, planes(out.data(), 32, 32, 255));
    for (std::size_t i = 0; i < 32 * 32; ++i) {
        EXPECT_NEAR(out[i], p.planes[0][3 * i + 2], 1e-3);
        EXPECT_NEAR(out[i + 2048], p.planes[0][3 * i], 1e-3);
    }
}

TEST(colour, left_sited_chroma_lies_a_quarter_sample_to_the_left) {
    auto p = flat_yuv(pixel_format::i420, 128, 128, 128);
    for (int row = 0; row < 8; ++row) {
        for (int k = 0; k < 8; ++k)
            p.planes[1][static_cast<std::size_t>(8 * row + k)] = static_cast<std::uint8_t>(16 * k + 40);
    }
    p.view.site = chroma_site::left;
    const auto left = colour_of(p.view);
    p.view.site = chroma_site::centre;
    const auto centre = colour_of(p.view);
    EXPECT_NEAR(left[2] - centre[2], 0.25 * 16 * 1.8556 / 224, 1e-4);  // a quarter of a step of U, as blue under BT.709
}

TEST(letterbox, keeps_the_aspect_and_pads_with_black) {
    const auto p = random_picture(pixel_format::i420, 200, 100, 9);
    const letterbox l = fit(200, 100, 64, 64);
    EXPECT_EQ(l.y_begin, 16);
    EXPECT_EQ(l.y_end, 48);
    EXPECT_EQ(l.x_begin, 0);
    EXPECT_EQ(l.x_end, 64);
    std::vector<float> out(3 * 64 * 64, 99);
    sample_letterbox(make_sampling_source(p.view), l, planes(out.data(), 64, 64, 2, -1));
    EXPECT_EQ(out[0], -1);
    EXPECT_EQ(out[15 * 64 + 63], -1);
    EXPECT_EQ(out[48 * 64], -1);
    for (const float v : out)
        EXPECT_TRUE(v >= -1 && v <= 1);
    const point back = l.to_frame({32, 32});
    EXPECT_NEAR(back.x, 100, 1e-4);
    EXPECT_NEAR(back.y, 50, 1e-4);
}

TEST(upright, corners_of_mirrored_turned_and_spread_pictures_are_those_of_the_stored_one) {
    image p;
    p.width = 720;
    p.height = 576;
    p.square_width = 1024;
    for (const rotation turn : {rotation::none, rotation::cw90, rotation::cw180, rotation::cw270}) {
        for (const bool mirrored : {false, true}) {
            p.turn = turn;
            p.mirrored = mirrored;
            const auto w = static_cast<float>(p.upright_width()), h = static_cast<float>(p.upright_height());
            const affine stored = stored_from_upright(p);
            // Where the stored picture's first corner is shown: clockwise by the turn, then mirrored.
            point shown[] = {{0, 0}, {w, 0}, {w, h}, {0, h}};
            const point corner = shown[static_cast<int>(turn)];
            const point at = stored({mirrored ? w - corner.x : corner.x, corner.y});
            EXPECT_NEAR(at.x, 0, 1e-3);
            EXPECT_NEAR(at.y, 0, 1e-3);
            const point opposite = shown[(static_cast<int>(turn) + 2) % 4];
            const point end = stored({mirrored ? w - opposite.x : opposite.x, opposite.y});
            EXPECT_NEAR(end.x, 720, 1e-3);
            EXPECT_NEAR(end.y, 576, 1e-3);
        }
    }
}

TEST(rotation, a_turned_picture_samples_like_the_upright_one) {
    const auto upright = random_picture(pixel_format::rgb24, 24, 16, 2);
    auto stored = random_picture(pixel_format::rgb24, 16, 24, 3);
    for (int y = 0; y < 16; ++y) {
        for (int x = 0; x < 24; ++x) {
            // Turned clockwise by 90 degrees, stored (sx, sy) shows at upright (23 - sy, sx).
            const std::size_t to = static_cast<std::size_t>(((23 - x) * 16 + y) * 3),
                              from = static_cast<std::size_t>((y * 24 + x) * 3);
            for (std::size_t k = 0; k < 3; ++k)
                stored.planes[0][to + k] = upright.planes[0][from + k];
        }
    }
    stored.view.turn = rotation::cw90;
    ASSERT_EQ(stored.view.upright_width(), 24);
    const region area{11, 7, 12, 0.4f};
    std::vector<float> a(3 * 20 * 20), b(3 * 20 * 20);
    sample(make_sampling_source(upright.view), frame_from_region(area, 20), planes(a.data(), 20, 20));
    sample(make_sampling_source(stored.view), frame_from_region(area, 20), planes(b.data(), 20, 20));
    for (std::size_t i = 0; i < a.size(); ++i)
        EXPECT_NEAR(a[i], b[i], 1e-4);
}

}  // namespace
}  // namespace faceflow::internal::vision
