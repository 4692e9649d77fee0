// SPDX-License-Identifier: Apache-2.0
// Pictures that lie on their side, and say so: whatever their format, the upright picture comes out.
#include "media_testing.hpp"

#include <functional>

#include "media/canvas.hpp"
#include "media/picture.hpp"
#include "media/sources.hpp"
#include "picture_bytes.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

constexpr int upright_width = 64, upright_height = 48;
constexpr const char* upright_filter = "-f lavfi -i testsrc2=s=64x48 -frames:v 1";

// From the upright picture to the one that is stored where an orientation is stated.
constexpr std::array stored_by = {"null",        "hflip",       "hflip,vflip", "vflip",
                                  "transpose=0", "transpose=2", "transpose=3", "transpose=1"};
constexpr std::array heif_turns = {heif_turn{},     heif_turn{0, 1}, heif_turn{2},    heif_turn{0, 0},
                                   heif_turn{3, 1}, heif_turn{3},    heif_turn{1, 1}, heif_turn{1}};

struct luma {
    int width = 0, height = 0;
    std::vector<int> values;
};

// Of the upright picture: turned, then mirrored.
luma upright_luma(const decoded_picture& decoded) {
    canvas_maker maker(canvas_format_of(decoded.mapped.picture));
    auto canvas = maker.make(decoded.mapped.picture);
    EXPECT_TRUE(canvas);
    if (!canvas) return {};
    luma seen{(*canvas)->width, (*canvas)->height, {}};
    for (int y = 0; y < seen.height; ++y) {
        for (int x = 0; x < seen.width; ++x) {
            const int from = x;
            seen.values.push_back((*canvas)->data[0][y * (*canvas)->linesize[0] + from]);
        }
    }
    return seen;
}

double mean_difference(const luma& a, const luma& b) {
    if (a.width != b.width || a.height != b.height || a.values.empty()) return 255;
    double sum = 0;
    for (std::size_t i = 0; i < a.values.size(); ++i)
        sum += std::abs(a.values[i] - b.values[i]);
    return sum / static_cast<double>(a.values.size());
}

luma read_upright(const std::string& path) {
    const auto decoded = decode_picture(path, {});
    EXPECT_TRUE(decoded) << decoded.error().message;
    return decoded ? upright_luma(*decoded) : luma{};
}

struct oriented_format {
    const char* name;
    const char* arguments;
    std::function<std::string(const std::string& bytes, int orientation, endian order)> tagged;
};

std::vector<oriented_format> oriented_formats() {
    const auto sideways = [](int orientation) { return orientation >= 5; };
    return {oriented_format{"png", "", [](const auto& b, int o, endian e) { return png_with_exif(b, exif(o, e)); }},
            oriented_format{"tif", "", [](const auto& b, int o, endian) { return tiff_with_orientation(b, o); }},
            oriented_format{"jpg", "-pix_fmt yuvj444p -q:v 2",
                            [](const auto& b, int o, endian e) { return jpeg_with_exif(b, exif(o, e)); }},
            oriented_format{"webp", "-lossless 1",
                            [=](const auto& b, int o, endian e) {
                                return webp_with_exif(b, sideways(o) ? upright_height : upright_width,
                                                      sideways(o) ? upright_width : upright_height, exif(o, e));
                            }},
            oriented_format{"avif", "-c:v libaom-av1 -still-picture 1 -crf 5 -cpu-used 8 -pix_fmt yuv444p",
                            [](const auto& b, int o, endian) {
                                return avif_with_turn(b, heif_turns[static_cast<std::size_t>(o - 1)]);
                            }}};
}

class oriented_pictures : public testing::TestWithParam<int> {};

TEST_P(oriented_pictures, come_out_upright) {
    const auto all = oriented_formats();
    const oriented_format& f = all[static_cast<std::size_t>(GetParam())];
    const std::string extension = std::string(".") + f.name;
    const luma upright =
        read_upright(make("upright" + extension, std::string(upright_filter) + " -vf format=rgb24 " + f.arguments));
    ASSERT_EQ(upright.width, upright_width);
    for (int orientation = 1; orientation <= 8; ++orientation) {
        const std::string plain = make("stored" + std::to_string(orientation) + extension,
                                       std::string(upright_filter) + " -vf format=rgb24," +
                                           stored_by[static_cast<std::size_t>(orientation - 1)] + " " + f.arguments);
        for (const endian order : {endian::big, endian::little}) {
            const std::string path = at("oriented" + extension);
            write_bytes(path, f.tagged(read_bytes(plain), orientation, order));
            // A picture that is mirrored or turned the wrong way differs by some 60.
            EXPECT_LT(mean_difference(read_upright(path), upright), 4) << f.name << " " << orientation;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(of_every_format, oriented_pictures, testing::Range(0, 5), [](const auto& about) {
    return oriented_formats()[static_cast<std::size_t>(about.param)].name;
});

TEST(picture_orientation, counts_in_a_stream_of_pictures_and_in_an_animated_png) {
    const std::string png = read_bytes(make("turned.png", upright_filter));
    write_bytes(at("turned.png.stream"), png_with_exif(png, exif(6, endian::big)));
    const auto stream = open_demux_source(at("turned.png.stream"), source_kind::file, {});
    ASSERT_TRUE(stream) << stream.error().message;
    EXPECT_EQ((*stream)->info().width, upright_height);

    const std::string moving = read_bytes(make("moving.apng", "-f lavfi -i testsrc2=s=64x48:r=5:d=1 -f apng"));
    write_bytes(at("moving_turned.png"), png_with_exif(moving, exif(6, endian::little)));
    const auto video = open_or_fail(at("moving_turned.png"));
    ASSERT_TRUE(video);
    const everything read = read_all(*video);
    ASSERT_EQ(read.frames.size(), 5U);
    for (const auto& frame : read.frames)
        EXPECT_EQ(frame.frame.picture.turn, rotation::cw90);
}

// libjxl turns them: turning them again would lay them on their side.
TEST(picture_orientation, of_jpeg_xl_is_not_applied_twice) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
        const luma seen = read_upright(FACEFLOW_TEST_DATA "/jxl/orientation" + std::to_string(orientation) + ".jxl");
        ASSERT_EQ(seen.width, 16) << orientation;
        ASSERT_EQ(seen.height, 8) << orientation;
        const auto corner = [&](int x, int y) { return seen.values[static_cast<std::size_t>(16 * y + x)]; };
        EXPECT_GT(corner(0, 0), 200) << orientation;
        EXPECT_GT(corner(0, 7), 200) << orientation;
        EXPECT_LT(corner(15, 0), 50) << orientation;
        EXPECT_NEAR(corner(15, 7), 127, 40) << orientation;
    }
}

TEST(picture_orientation, that_makes_no_sense_is_upright) {
    const std::string png = read_bytes(make("plain.png", upright_filter));
    const std::string good = exif(6, endian::little);
    const auto with = [&](std::size_t at_byte, const std::string& bytes) {
        std::string bad = good;
        return bad.replace(at_byte, bytes.size(), bytes);
    };
    const std::array bad = {std::string(),
                            std::string("II*\0", 4),
                            good.substr(0, 15),
                            with(0, "XX"),
                            with(4, number(0xFFFFFFFF, 4)),             // a directory outside
                            with(4, number(4, 4, endian::little)),      // in the header itself
                            with(8, number(0xFFFF, 2) + number(1, 2)),  // more entries than bytes
                            with(12, number(5, 2, endian::little)),     // another type
                            with(14, number(0xFFFFFFFF, 4)),
                            with(14, number(0, 4)),
                            with(18, number(9, 2, endian::little)),
                            with(18, number(0, 2))};
    for (std::size_t i = 0; i < bad.size(); ++i) {
        write_bytes(at("bad.png"), png_with_exif(png, bad[i]));
        const auto decoded = decode_picture(at("bad.png"), {});
        ASSERT_TRUE(decoded) << i;
        EXPECT_EQ(decoded->mapped.picture.turn, rotation::none) << i;
        EXPECT_FALSE(decoded->mapped.picture.mirrored) << i;
    }
}

}  // namespace
}  // namespace faceflow::internal::media
