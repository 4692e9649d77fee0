// SPDX-License-Identifier: Apache-2.0
// Files of every kind: what comes out of good ones.
#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "media_testing.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

TEST(media_file, gives_every_frame_once_in_order) {
    source_options options;
    options.number = 3;
    const auto opened = open_or_fail(plain_video(), options);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->info().width, 160);
    EXPECT_EQ(opened->info().height, 120);
    EXPECT_EQ(opened->info().frames, 100);
    EXPECT_EQ(opened->info().codec, "h264");
    EXPECT_DOUBLE_EQ(opened->info().frames_per_second, 25);
    EXPECT_TRUE(opened->info().has_audio);
    EXPECT_FALSE(opened->info().live);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 100U);
    for (std::size_t i = 0; i < read.frames.size(); ++i) {
        EXPECT_EQ(read.frames[i].frame.id, (frame_id{3, i}));
        EXPECT_EQ(read.frames[i].frame.pts_ns, static_cast<std::int64_t>(i) * 40'000'000);
        EXPECT_TRUE(read.frames[i].path.empty());
    }
    EXPECT_TRUE(opened->survived().empty());
    auto after = opened->next();
    ASSERT_TRUE(after);
    EXPECT_FALSE(*after);
}

TEST(media_file, says_what_it_holds_without_being_opened) {
    const auto stated = look_at({plain_video()}, {});
    ASSERT_TRUE(stated);
    EXPECT_EQ(stated->width, 160);
    EXPECT_EQ(stated->height, 120);
    EXPECT_DOUBLE_EQ(stated->frames_per_second, 25);
    const std::string picture = (std::filesystem::path(FACEFLOW_TEST_DATA) / "goldens/crop0.png").string();
    for (const input_group& other : {input_group{"-"}, input_group{"no/such/file.mp4"}, input_group{"/dev/null"},
                                     input_group{"rtsp://localhost:1/x"}, input_group{picture},
                                     input_group{plain_video(), plain_video()}, input_group{__FILE__}})
        EXPECT_FALSE(look_at(other, {})) << other.front();
}

TEST(media_file, frames_outlive_their_source) {
    auto opened = open_or_fail(plain_video());
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    opened.reset();
    unsigned sum = 0;
    for (const read_frame& frame : read.frames)
        sum += frame.frame.picture.planes[0].data[120 * 3];
    EXPECT_GT(sum, 0U);
}

// Every container reads the same bytes that ffmpeg itself would hand out.
struct raw_layout {
    const char* name;
    pixel_format format;
    std::vector<std::pair<int, int>> planes;  // bytes a row, rows; for 38x22
};

void PrintTo(const raw_layout& layout, std::ostream* out) {
    *out << layout.name;
}

class media_raw : public testing::TestWithParam<raw_layout> {};

TEST_P(media_raw, pixels_arrive_untouched) {
    const raw_layout& layout = GetParam();
    std::size_t size = 0;
    for (const auto& [bytes, rows] : layout.planes)
        size += static_cast<std::size_t>(bytes * rows);
    std::string pixels(size * 2, '\0');
    for (std::size_t i = 0; i < pixels.size(); ++i)
        pixels[i] = static_cast<char>((i * i + 31 * i) >> 3);
    const std::string raw = at(std::string(layout.name) + ".raw");
    write_bytes(raw, pixels);
    const std::string file = make(std::string(layout.name) + ".nut", std::string("-f rawvideo -s 38x22 -pix_fmt ") +
                                                                         layout.name + " -i " + raw + " -c copy");
    const auto opened = open_or_fail(file);
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 2U);
    std::size_t at_byte = 0;
    for (const read_frame& frame : read.frames) {
        const image& picture = frame.frame.picture;
        ASSERT_EQ(name(picture.format), name(layout.format));
        for (std::size_t p = 0; p < layout.planes.size(); ++p) {
            const auto [bytes, rows] = layout.planes[p];
            for (int row = 0; row < rows; ++row) {
                const std::uint8_t* line = picture.planes[p].data + std::ptrdiff_t{row} * picture.planes[p].stride;
                ASSERT_EQ(std::memcmp(line, pixels.data() + at_byte, static_cast<std::size_t>(bytes)), 0)
                    << "plane " << p << " row " << row;
                at_byte += static_cast<std::size_t>(bytes);
            }
        }
    }
    EXPECT_TRUE(opened->survived().empty());
}

INSTANTIATE_TEST_SUITE_P(
    formats, media_raw,
    testing::Values(
        raw_layout{"gray", pixel_format::gray8, {{38, 22}}}, raw_layout{"gray10le", pixel_format::gray10le, {{76, 22}}},
        raw_layout{"gray12le", pixel_format::gray12le, {{76, 22}}},
        raw_layout{"gray16le", pixel_format::gray16le, {{76, 22}}},
        raw_layout{"nv12", pixel_format::nv12, {{38, 22}, {38, 11}}},
        raw_layout{"nv21", pixel_format::nv21, {{38, 22}, {38, 11}}},
        raw_layout{"yuv420p", pixel_format::i420, {{38, 22}, {19, 11}, {19, 11}}},
        raw_layout{"yuva420p", pixel_format::i420, {{38, 22}, {19, 11}, {19, 11}, {38, 22}}},
        raw_layout{"yuv422p", pixel_format::i422, {{38, 22}, {19, 22}, {19, 22}}},
        raw_layout{"yuv440p", pixel_format::i440, {{38, 22}, {38, 11}, {38, 11}}},
        raw_layout{"yuv444p", pixel_format::i444, {{38, 22}, {38, 22}, {38, 22}}},
        raw_layout{"yuv411p", pixel_format::i411, {{38, 22}, {10, 22}, {10, 22}}},
        raw_layout{"yuv420p10le", pixel_format::i420_10le, {{76, 22}, {38, 11}, {38, 11}}},
        raw_layout{"yuv422p10le", pixel_format::i422_10le, {{76, 22}, {38, 22}, {38, 22}}},
        raw_layout{"yuv444p10le", pixel_format::i444_10le, {{76, 22}, {76, 22}, {76, 22}}},
        raw_layout{"yuv420p12le", pixel_format::i420_12le, {{76, 22}, {38, 11}, {38, 11}}},
        raw_layout{"yuv422p12le", pixel_format::i422_12le, {{76, 22}, {38, 22}, {38, 22}}},
        raw_layout{"yuv444p12le", pixel_format::i444_12le, {{76, 22}, {76, 22}, {76, 22}}},
        raw_layout{"yuyv422", pixel_format::yuyv422, {{76, 22}}},
        raw_layout{"uyvy422", pixel_format::uyvy422, {{76, 22}}}, raw_layout{"rgb24", pixel_format::rgb24, {{114, 22}}},
        raw_layout{"bgr24", pixel_format::bgr24, {{114, 22}}}, raw_layout{"rgba", pixel_format::rgba32, {{152, 22}}},
        raw_layout{"rgb0", pixel_format::rgba32, {{152, 22}}}, raw_layout{"bgra", pixel_format::bgra32, {{152, 22}}},
        raw_layout{"bgr0", pixel_format::bgra32, {{152, 22}}}, raw_layout{"argb", pixel_format::argb32, {{152, 22}}},
        raw_layout{"0rgb", pixel_format::argb32, {{152, 22}}}, raw_layout{"abgr", pixel_format::abgr32, {{152, 22}}},
        raw_layout{"0bgr", pixel_format::abgr32, {{152, 22}}},
        raw_layout{"gbrp", pixel_format::gbrp, {{38, 22}, {38, 22}, {38, 22}}},
        raw_layout{"gbrp10le", pixel_format::gbrp10le, {{76, 22}, {76, 22}, {76, 22}}}),
    [](const auto& about) { return std::string(about.param.name); });

TEST(media_file, palette_pictures_keep_their_palette) {
    const auto opened = open_or_fail(make("pal.nut",
                                          "-f lavfi -i color=c=0xff0000:s=8x8:d=0.04 -pix_fmt pal8 "
                                          "-c:v rawvideo"));
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 1U);
    const image& picture = read.frames[0].frame.picture;
    ASSERT_EQ(picture.format, pixel_format::pal8);
    const std::uint8_t* entry = picture.planes[1].data + 4 * picture.planes[0].data[0];
    EXPECT_NEAR(entry[0], 0, 2);    // B
    EXPECT_NEAR(entry[1], 0, 2);    // G
    EXPECT_NEAR(entry[2], 255, 3);  // R
}

TEST(media_file, unusual_pixel_formats_are_converted_and_counted) {
    const auto opened =
        open_or_fail(make("mono.nut", "-f lavfi -i testsrc2=s=32x32:d=0.08 -pix_fmt monob -c:v rawvideo"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(read_all(*opened).frames.size(), 2U);
    EXPECT_EQ(opened->survived().at("converted_pixel_format"), 2U);
}

TEST(media_file, colour_tags_travel_with_the_frames) {
    const auto opened = open_or_fail(make("tagged.mp4",
                                          "-f lavfi -i testsrc2=s=64x64:d=0.2 -pix_fmt yuv420p -colorspace "
                                          "bt709 -color_range pc"));
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_FALSE(read.frames.empty());
    EXPECT_EQ(read.frames[0].frame.picture.matrix, colour_matrix::bt709);
    EXPECT_EQ(read.frames[0].frame.picture.range, colour_range::full);
}

TEST(media_file, rotation_of_phones_is_read) {
    // FFmpeg's own turning of the same file tells which way is up.
    for (const int degrees : {90, 180, 270}) {
        const std::string n = std::to_string(degrees);
        const std::string file =
            make("turn" + n + ".mp4", "-i " + plain_video() + " -c copy -metadata:s:v rotate=" + n);
        const auto opened = open_or_fail(file);
        ASSERT_TRUE(opened);
        auto first = opened->next();
        ASSERT_TRUE(first && *first);
        const image& picture = (*first)->frame.picture;
        EXPECT_EQ(opened->info().width, picture.upright_width());
        EXPECT_EQ(picture.upright_width(), degrees == 180 ? 160 : 120);
        const char* filter = picture.turn == rotation::cw90    ? "transpose=clock"
                             : picture.turn == rotation::cw180 ? "hflip,vflip"
                                                               : "transpose=cclock";
        ASSERT_NE(picture.turn, rotation::none);
        const std::string rest = " -frames:v 1 -f md5 -";
        EXPECT_EQ(output_of("ffmpeg -v error -i " + file + rest),
                  output_of("ffmpeg -v error -noautorotate -i " + file + " -vf " + filter + rest));
    }
}

TEST(media_file, variable_frame_rate_keeps_true_times) {
    const std::string file = make("vfr.mp4",
                                  "-f lavfi -i testsrc2=s=64x64:r=30:d=2 -vf "
                                  "\"select='not(mod(n,3))+gt(n,40)'\" -vsync vfr -pix_fmt yuv420p");
    const auto opened = open_or_fail(file);
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    std::vector<double> expected;
    for (int n = 0; n < 60; ++n) {
        if (n % 3 == 0 || n > 40) expected.push_back(n / 30.0);
    }
    ASSERT_EQ(read.frames.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(seconds(read.frames[i]), expected[i], 1e-3);
}

class media_range : public testing::TestWithParam<const char*> {};

TEST_P(media_range, start_and_end_cut_exactly) {
    const std::string file = make("range." + std::string(GetParam()),
                                  "-f lavfi -i testsrc2=s=64x64:r=25:d=4 -pix_fmt yuv420p -c:v libx264 -g 250");
    source_options options;
    options.start_seconds = 1.0;
    options.end_seconds = 2.02;
    const auto opened = open_or_fail(file, options);
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 26U);
    EXPECT_NEAR(seconds(read.frames.front()), 1.0, 1e-3);
    EXPECT_NEAR(seconds(read.frames.back()), 2.0, 1e-3);
    EXPECT_EQ(read.frames.front().frame.id.sequence, 0U);
    EXPECT_EQ(opened->survived().count("truncated"), 0U);
}

INSTANTIATE_TEST_SUITE_P(containers, media_range, testing::Values("mp4", "mkv", "ts", "h264", "mov"),
                         [](const auto& about) { return std::string(about.param); });

TEST(media_file, extreme_sizes_flow_through) {
    for (const auto& [width, height] : {std::pair{1, 1}, {641, 363}, {16, 4000}}) {
        const std::string size = std::to_string(width) + "x" + std::to_string(height);
        const auto opened = open_or_fail(
            make("size" + size + ".mkv", "-f lavfi -i testsrc2=s=64x64:d=0.12 -vf scale=" + std::to_string(width) +
                                             ":" + std::to_string(height) + ",format=yuv420p -c:v ffv1"));
        ASSERT_TRUE(opened);
        const everything read = read_all(*opened);
        ASSERT_EQ(read.frames.size(), 3U) << size;
        EXPECT_EQ(read.frames[0].frame.picture.width, width);
        EXPECT_EQ(read.frames[0].frame.picture.height, height);
    }
}

TEST(media_file, a_size_that_changes_midway_flows_through) {
    const std::string small = make("small.h264", "-f lavfi -i testsrc2=s=64x48:d=0.4 -pix_fmt yuv420p");
    const std::string large = make("large.h264", "-f lavfi -i testsrc2=s=128x96:d=0.4 -pix_fmt yuv420p");
    const std::string joined = at("joined.h264");
    write_bytes(joined, read_bytes(small) + read_bytes(large));
    const auto opened = open_or_fail(joined);
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 20U);
    EXPECT_EQ(read.frames.front().frame.picture.width, 64);
    EXPECT_EQ(read.frames.back().frame.picture.width, 128);
}

TEST(media_file, odd_names_are_only_names) {
    const std::string odd = at("50%d: [a]*?.mp4");
    std::filesystem::copy_file(plain_video(), odd, std::filesystem::copy_options::overwrite_existing);
    const auto opened = open_or_fail(odd);
    ASSERT_TRUE(opened);
    EXPECT_EQ(read_all(*opened).frames.size(), 100U);
    EXPECT_TRUE(open_or_fail("file://" + plain_video()));
}

TEST(media_file, joined_streams_go_on_after_the_clock_is_set_back) {
    const std::string part = make("part.ts", "-f lavfi -i testsrc2=s=64x64:r=25:d=4 -pix_fmt yuv420p");
    const std::string joined = at("joined.ts");
    write_bytes(joined, read_bytes(part) + read_bytes(part));
    const auto opened = open_or_fail(joined);
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    EXPECT_GE(read.frames.size(), 190U);
    for (std::size_t i = 1; i < read.frames.size(); ++i) {
        EXPECT_LT(read.frames[i - 1].frame.pts_ns, read.frames[i].frame.pts_ns);
    }
}

class stdin_from {
public:
    explicit stdin_from(int fd) : saved_(dup(STDIN_FILENO)) {
        dup2(fd, STDIN_FILENO);
        close(fd);
    }
    ~stdin_from() {
        dup2(saved_, STDIN_FILENO);
        close(saved_);
    }

private:
    int saved_;
};

TEST(media_stdin, reads_a_pipe) {
    const std::string bytes = read_bytes(plain_video());
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    std::thread writer([&] {
        for (std::size_t done = 0; done < bytes.size();) {
            const ssize_t wrote = write(ends[1], bytes.data() + done, bytes.size() - done);
            if (wrote <= 0) break;
            done += static_cast<std::size_t>(wrote);
        }
        close(ends[1]);
    });
    {
        const stdin_from redirected(ends[0]);
        const auto opened = open_or_fail("-");
        ASSERT_TRUE(opened);
        EXPECT_EQ(opened->info().kind, source_kind::stdin_stream);
        EXPECT_EQ(read_all(*opened).frames.size(), 100U);
    }
    writer.join();
}

TEST(media_stdin, reads_and_seeks_a_redirected_file) {
    const stdin_from redirected(open(plain_video().c_str(), O_RDONLY));
    source_options options;
    options.start_seconds = 3;
    const auto opened = open_or_fail("-", options);
    ASSERT_TRUE(opened);
    EXPECT_EQ(read_all(*opened).frames.size(), 25U);
}

TEST(media_stdin, a_silent_pipe_can_be_left) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const stdin_from redirected(ends[0]);
    source_options options;
    std::stop_source stop;
    options.stop = stop.get_token();
    std::jthread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        stop.request_stop();
    });
    const auto opened = open_source("-", options);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::interrupted);
    close(ends[1]);
}

}  // namespace
}  // namespace faceflow::internal::media
