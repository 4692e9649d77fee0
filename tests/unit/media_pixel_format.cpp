// SPDX-License-Identifier: Apache-2.0
#include "media/pixel_format.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

namespace faceflow::internal::media {
namespace {

frame_ptr coloured_frame(AVPixelFormat format, int width, int height) {
    frame_ptr frame(av_frame_alloc());
    frame->format = format;
    frame->width = width;
    frame->height = height;
    if (av_frame_get_buffer(frame.get(), 0) < 0) return nullptr;
    for (int i = 0; i < 4 && frame->buf[i]; ++i) {
        for (std::size_t k = 0; k < frame->buf[i]->size; ++k)
            frame->buf[i]->data[k] = static_cast<std::uint8_t>(k * 7);
    }
    return frame;
}

class named_formats : public testing::TestWithParam<int> {};

TEST_P(named_formats, keep_their_pixels_where_the_decoder_put_them) {
    const auto ours = static_cast<pixel_format>(GetParam());
    const AVPixelFormat theirs = to_libav_format(ours);
    if (theirs == AV_PIX_FMT_NONE) {
        ASSERT_EQ(ours, pixel_format::p012le);  // newer than this FFmpeg
        return;
    }
    EXPECT_EQ(to_pixel_format(theirs), ours);
    frame_ptr frame = coloured_frame(theirs, 38, 22);
    ASSERT_TRUE(frame);
    const std::array data = {frame->data[0], frame->data[1], frame->data[2]};
    auto mapped = frame_mapper().map(std::move(frame));
    ASSERT_TRUE(mapped) << mapped.error().message;
    EXPECT_FALSE(mapped->converted);
    EXPECT_EQ(mapped->picture.format, ours);
    for (std::size_t i = 0; i < data.size(); ++i)
        EXPECT_EQ(mapped->picture.planes[i].data, data[i]);
}

INSTANTIATE_TEST_SUITE_P(every, named_formats,
                         testing::Range(static_cast<int>(pixel_format::gray8),
                                        static_cast<int>(pixel_format::pal8) + 1),
                         [](const auto& about) { return std::string(name(static_cast<pixel_format>(about.param))); });

struct conversion {
    AVPixelFormat from;
    pixel_format to;
};

class unnamed_formats : public testing::TestWithParam<conversion> {};

TEST_P(unnamed_formats, are_converted_within_their_colour_model) {
    frame_ptr frame = coloured_frame(GetParam().from, 32, 16);
    ASSERT_TRUE(frame);
    auto mapped = frame_mapper().map(std::move(frame));
    ASSERT_TRUE(mapped) << mapped.error().message;
    EXPECT_TRUE(mapped->converted);
    EXPECT_EQ(name(mapped->picture.format), name(GetParam().to));
}

INSTANTIATE_TEST_SUITE_P(some, unnamed_formats,
                         testing::Values(conversion{AV_PIX_FMT_MONOBLACK, pixel_format::gray8},
                                         conversion{AV_PIX_FMT_MONOWHITE, pixel_format::gray8},
                                         conversion{AV_PIX_FMT_YA8, pixel_format::gray8},
                                         conversion{AV_PIX_FMT_GRAY16BE, pixel_format::gray16le},
                                         conversion{AV_PIX_FMT_GRAYF32LE, pixel_format::gray16le},
                                         conversion{AV_PIX_FMT_BAYER_RGGB8, pixel_format::rgb24},
                                         conversion{AV_PIX_FMT_RGB565LE, pixel_format::rgb24},
                                         conversion{AV_PIX_FMT_RGB48BE, pixel_format::gbrp10le},
                                         conversion{AV_PIX_FMT_GBRPF32LE, pixel_format::gbrp10le},
                                         conversion{AV_PIX_FMT_YUV420P16LE, pixel_format::i420_12le},
                                         conversion{AV_PIX_FMT_YUV420P10BE, pixel_format::i420_10le},
                                         conversion{AV_PIX_FMT_YUV410P, pixel_format::i420}));

TEST(frame_colour, unspecified_matrix_follows_the_height) {
    for (const auto& [height, expected] : {std::pair{719, colour_matrix::bt601}, {720, colour_matrix::bt709}}) {
        auto mapped = frame_mapper().map(coloured_frame(AV_PIX_FMT_YUV420P, 16, height));
        ASSERT_TRUE(mapped);
        EXPECT_EQ(mapped->picture.matrix, expected);
        EXPECT_EQ(mapped->picture.range, colour_range::limited);
        EXPECT_EQ(mapped->picture.site, chroma_site::left);
    }
}

TEST(frame_colour, what_the_frame_states_is_kept) {
    frame_ptr frame = coloured_frame(AV_PIX_FMT_YUV420P, 16, 16);
    frame->colorspace = AVCOL_SPC_BT2020_NCL;
    frame->color_range = AVCOL_RANGE_JPEG;
    frame->chroma_location = AVCHROMA_LOC_CENTER;
    auto mapped = frame_mapper().map(std::move(frame));
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->picture.matrix, colour_matrix::bt2020);
    EXPECT_EQ(mapped->picture.range, colour_range::full);
    EXPECT_EQ(mapped->picture.site, chroma_site::centre);
}

TEST(frame_colour, jpeg_is_601_full_and_centred) {
    auto mapped = frame_mapper().map(coloured_frame(AV_PIX_FMT_YUVJ422P, 16, 1080));
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->picture.matrix, colour_matrix::bt601);
    EXPECT_EQ(mapped->picture.range, colour_range::full);
    EXPECT_EQ(mapped->picture.site, chroma_site::centre);
}

TEST(frame_colour, rgb_is_rgb_and_full) {
    auto mapped = frame_mapper().map(coloured_frame(AV_PIX_FMT_BGR24, 16, 16));
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->picture.matrix, colour_matrix::rgb);
    EXPECT_EQ(mapped->picture.range, colour_range::full);
}

TEST(frame_colour, gray_is_full_but_in_broadcast_codecs) {
    auto png = frame_mapper({AV_CODEC_ID_PNG, {}, {}}).map(coloured_frame(AV_PIX_FMT_GRAY8, 16, 16));
    auto h264 = frame_mapper({AV_CODEC_ID_H264, {}, {}}).map(coloured_frame(AV_PIX_FMT_GRAY8, 16, 16));
    ASSERT_TRUE(png && h264);
    EXPECT_EQ(png->picture.range, colour_range::full);
    EXPECT_EQ(h264->picture.range, colour_range::limited);
}

TEST(display_matrix, quarter_turns_are_read_and_others_rounded) {
    constexpr std::array turns = {rotation::none, rotation::cw90, rotation::cw180, rotation::cw270};
    for (int clockwise = -360; clockwise <= 360; clockwise += 10) {
        std::array<std::int32_t, 9> matrix{};
        av_display_rotation_set(matrix.data(), clockwise);
        const int expected = static_cast<int>(std::lround((clockwise + 720) / 90.0)) % 4;
        if (clockwise % 90 != 45 && clockwise % 90 != -45) {
            EXPECT_EQ(read_display_matrix(matrix.data()).turn, turns[expected]) << clockwise;
        }
        EXPECT_FALSE(read_display_matrix(matrix.data()).flipped);
    }
}

TEST(display_matrix, mirroring_is_told_apart_from_turning) {
    std::array<std::int32_t, 9> matrix{};
    av_display_rotation_set(matrix.data(), 90);
    av_display_matrix_flip(matrix.data(), 1, 0);
    const turn_and_flip read = read_display_matrix(matrix.data());
    EXPECT_TRUE(read.flipped);
    EXPECT_EQ(read.turn, rotation::cw90);
}

TEST(display_matrix, nonsense_turns_nothing) {
    const std::array<std::int32_t, 9> zero{};
    EXPECT_EQ(read_display_matrix(zero.data()).turn, rotation::none);
}

TEST(square_width, spreads_columns_by_the_aspect_of_a_pixel) {
    EXPECT_EQ(square_width_of(720, {64, 45}), 1024);
    EXPECT_EQ(square_width_of(720, {8, 9}), 640);
    EXPECT_EQ(square_width_of(1440, {4, 3}), 1920);
    for (const AVRational none : {AVRational{0, 1}, {1, 1}, {0, 0}, {-1, 2}, {4320, 4319}, {1000, 1}, {1, 1000}})
        EXPECT_EQ(square_width_of(720, none), 0) << none.num << ':' << none.den;
    EXPECT_EQ(square_width_of(16384, {2, 1}), 0) << "more columns than a picture may have";
}

TEST(square_width, that_of_the_container_goes_before_that_of_the_frames) {
    const auto of = [](std::optional<AVRational> container) {
        auto frame = coloured_frame(AV_PIX_FMT_YUV420P, 720, 576);
        frame->sample_aspect_ratio = {16, 15};
        return frame_mapper({AV_CODEC_ID_H264, {}, container}).map(std::move(frame))->picture.square_width;
    };
    EXPECT_EQ(of(AVRational{64, 45}), 1024);
    EXPECT_EQ(of(AVRational{0, 1}), 768);
    EXPECT_EQ(of(std::nullopt), 0) << "a picture's resolution says nothing";
}

TEST(turn, the_users_comes_after_the_pictures_own) {
    image picture;
    picture.turn = rotation::cw90;
    turn_further(picture, {rotation::cw90, false});
    EXPECT_EQ(picture.turn, rotation::cw180);
    picture.mirrored = true;
    turn_further(picture, {rotation::cw90, false});  // behind a mirror
    EXPECT_EQ(picture.turn, rotation::cw90);
    turn_further(picture, {rotation::none, true});
    EXPECT_FALSE(picture.mirrored);
}

TEST(frame_mapper, the_pixels_outlive_the_mapper) {
    std::shared_ptr<const void> owner;
    const std::uint8_t* pixels = nullptr;
    {
        frame_mapper mapper;
        auto mapped = mapper.map(coloured_frame(AV_PIX_FMT_MONOBLACK, 32, 32));
        ASSERT_TRUE(mapped);
        owner = mapped->owner;
        pixels = mapped->picture.planes[0].data;
        ASSERT_TRUE(mapper.map(coloured_frame(AV_PIX_FMT_MONOBLACK, 32, 32)));
    }
    std::set<int> seen(pixels, pixels + 32);
    EXPECT_LE(seen.size(), 2U);
}

}  // namespace
}  // namespace faceflow::internal::media
