// SPDX-License-Identifier: Apache-2.0
// annotated.mp4: that it decodes, and keeps times, sound, size and colours.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "video_writer_testing.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

TEST(media_writer, every_frame_keeps_its_time_and_the_sound_is_there) {
    const std::string output = at("w1.mp4");
    const auto note = annotate(plain_video(), output, {}, plain_video());
    ASSERT_TRUE(note) << note.error().message;
    EXPECT_EQ(*note, "");
    const auto opened = open_or_fail(output);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->info().width, 160);
    EXPECT_EQ(opened->info().height, 120);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 100U);
    for (std::size_t i = 0; i < 100; ++i)
        EXPECT_NEAR(seconds(read.frames[i]), 0.04 * static_cast<double>(i), 1e-4);
    EXPECT_TRUE(opened->info().has_audio);
    EXPECT_EQ(probe(output, "a", "codec_name"), "aac");
    EXPECT_NEAR(std::stod(probe(output, "a", "duration")), 4.0, 0.05);
    EXPECT_FALSE(leftovers("w1.mp4"));
}

TEST(media_writer, sound_is_cut_with_the_pictures) {
    source_options from;
    from.start_seconds = 1;
    from.end_seconds = 3;
    const auto note = annotate(plain_video(), at("w2.mp4"), from, plain_video());
    ASSERT_TRUE(note) << note.error().message;
    EXPECT_NEAR(std::stod(probe(at("w2.mp4"), "v", "duration")), 2.0, 0.05);
    EXPECT_NEAR(std::stod(probe(at("w2.mp4"), "a", "duration")), 2.0, 0.1);
    EXPECT_NEAR(std::stod(probe(at("w2.mp4"), "a", "start_time")), 0.0, 0.05);
    EXPECT_NEAR(std::stod(probe(at("w2.mp4"), "v", "start_time")), 0.0, 0.001);
}

TEST(media_writer, sound_of_joined_recordings_goes_on_with_their_pictures) {
    const std::string once =
        make("w5once.ts", "-f lavfi -i testsrc2=s=64x64:r=25:d=12 -f lavfi -i sine=d=12 -pix_fmt yuv420p -g 12 -bf 0");
    const std::string bytes = read_bytes(once);
    write_bytes(at("w5twice.ts"), bytes + bytes);
    const auto note = annotate(at("w5twice.ts"), at("w5.mp4"), {}, at("w5twice.ts"));
    ASSERT_TRUE(note) << note.error().message;
    EXPECT_EQ(read_all(*open_or_fail(at("w5.mp4"))).frames.size(), 600U);
    EXPECT_NEAR(std::stod(probe(at("w5.mp4"), "a", "duration")), 24.0, 0.1);
}

TEST(media_writer, sound_that_mp4_cannot_hold_is_left_out_and_said_so) {
    const std::string input = make("pcm.avi", "-f lavfi -i testsrc2=s=64x64:d=1 -f lavfi -i sine=d=1 -c:a pcm_s16le");
    const auto note = annotate(input, at("w3.mp4"), {}, input);
    ASSERT_TRUE(note) << note.error().message;
    EXPECT_NE(note->find("pcm_s16le"), std::string::npos) << *note;
    EXPECT_EQ(probe(at("w3.mp4"), "a", "codec_name"), "");
}

TEST(media_writer, variable_frame_rate_survives) {
    const std::string input = make("w4in.mp4",
                                   "-f lavfi -i testsrc2=s=64x64:r=30:d=2 -vf "
                                   "\"select='not(mod(n,3))+gt(n,40)'\" -vsync vfr -pix_fmt yuv420p");
    ASSERT_TRUE(annotate(input, at("w4.mp4")));
    const everything before = read_all(*open_or_fail(input));
    const everything after = read_all(*open_or_fail(at("w4.mp4")));
    ASSERT_EQ(before.frames.size(), after.frames.size());
    for (std::size_t i = 0; i < before.frames.size(); ++i) {
        EXPECT_NEAR(seconds(before.frames[i]), seconds(after.frames[i]), 1e-4);
    }
}

TEST(media_writer, odd_and_extreme_sizes_become_even) {
    for (const auto& [width, height] : {std::pair{1, 1}, {641, 363}, {16, 4000}, {33, 2}}) {
        const std::string size = std::to_string(width) + "x" + std::to_string(height);
        const std::string input =
            make("odd" + size + ".mkv", "-f lavfi -i testsrc2=s=64x64:d=0.2 -vf scale=" + std::to_string(width) + ":" +
                                            std::to_string(height) + ",setsar=1,format=yuv420p -c:v ffv1");
        const auto wrote = annotate(input, at("odd.mp4"));
        ASSERT_TRUE(wrote) << size << ": " << wrote.error().message;
        const auto opened = open_or_fail(at("odd.mp4"));
        ASSERT_TRUE(opened);
        EXPECT_EQ(opened->info().width, (width + 1) / 2 * 2);
        EXPECT_EQ(opened->info().height, (height + 1) / 2 * 2);
        EXPECT_EQ(read_all(*opened).frames.size(), 5U);
    }
}

// Mean of a plane of the first frame, away from what is drawn.
double corner_mean(const image& picture, int plane) {
    double sum = 0;
    for (int y = 0; y < 8; ++y) {
        const std::uint8_t* row = picture.planes[plane].data + std::ptrdiff_t{y} * picture.planes[plane].stride;
        for (int x = 0; x < 8; ++x)
            sum += row[x];
    }
    return sum / 64;
}

TEST(media_writer, colours_survive_in_every_pixel_format) {
    for (const char* format : {"yuv420p", "nv12", "nv21", "yuv422p", "yuv444p", "yuv420p10le", "yuyv422", "rgb24",
                               "bgra", "gbrp", "gray", "pal8"}) {
        const bool gray = std::string(format) == "gray";
        const std::string input =
            make(std::string("colour_") + format + ".nut",
                 std::string("-f lavfi -i color=c=0xB03050:s=128x96:d=0.2 -pix_fmt ") + format + " -c:v rawvideo");
        ASSERT_TRUE(annotate(input, at("colour.mp4"))) << format;
        const auto opened = open_or_fail(at("colour.mp4"));
        ASSERT_TRUE(opened);
        auto first = opened->next();
        ASSERT_TRUE(first && *first);
        const image& picture = (*first)->frame.picture;
        const bool hd = picture.matrix == colour_matrix::bt709;
        // 0xB03050 as ITU-R BT.601 and BT.709 have it.
        const bool full = picture.range == colour_range::full;
        const double luma = full ? 90 : hd ? 80 : 93;
        EXPECT_NEAR(corner_mean(picture, 0), luma, 5) << format;
        if (!gray) {
            EXPECT_NEAR(corner_mean(picture, 1), hd ? 126 : 121, 5) << format;
            EXPECT_NEAR(corner_mean(picture, 2), hd ? 188 : 184, 6) << format;
        }
    }
}

TEST(media_writer, frames_are_written_upright) {
    const std::string input = make("w5in.mp4", "-f lavfi -i testsrc2=s=160x120:r=25:d=0.4 -pix_fmt yuv420p");
    const std::string turned = make("w5turned.mp4", "-i " + input + " -c copy -metadata:s:v rotate=90");
    ASSERT_TRUE(annotate(turned, at("w5.mp4")));
    const auto opened = open_or_fail(at("w5.mp4"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->info().width, 120);
    EXPECT_EQ(opened->info().height, 160);
    // Against FFmpeg's own turning; the drawing covers the middle only.
    const std::string difference =
        output_of("ffmpeg -nostats -i " + turned + " -i " + at("w5.mp4") +
                  " -filter_complex '[0]crop=120:20:0:0[a];[1]crop=120:20:0:0[b];[a][b]psnr' "
                  "-f null - 2>&1 | grep -o 'average:[0-9.]*'");
    ASSERT_NE(difference.find(':'), std::string::npos);
    EXPECT_GT(std::stod(difference.substr(difference.find(':') + 1)), 30) << difference;
}

TEST(media_writer, drawing_changes_pixels_of_the_copy_only) {
    const auto opened = open_or_fail(plain_video());
    auto first = opened->next();
    ASSERT_TRUE(first && *first);
    const image& picture = (*first)->frame.picture;
    const std::size_t size = static_cast<std::size_t>(picture.planes[0].stride) * 120;
    const std::vector<std::uint8_t> before(picture.planes[0].data, picture.planes[0].data + size);
    video_writer_options options;
    options.path = at("w6.mp4");
    auto writer = video_writer::create(options);
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write((*first)->frame, faces_in((*first)->frame, {some_face(7, {20, 20, 100, 80})})));
    ASSERT_TRUE((*writer)->finish());
    EXPECT_TRUE(std::equal(before.begin(), before.end(), picture.planes[0].data));
}

TEST(media_writer, faces_anywhere_are_drawn_without_harm) {
    const auto opened = open_or_fail(plain_video());
    auto first = opened->next();
    ASSERT_TRUE(first && *first);
    const float nan = std::nanf("");
    face broken = some_face(3, {10, 10, 50, 50});
    broken.landmarks[5].x = nan;
    broken.pose.matrix[0] = nan;
    broken.keypoints[2] = {nan, nan};
    video_writer_options options;
    options.path = at("w7.mp4");
    auto writer = video_writer::create(options);
    ASSERT_TRUE(writer);
    const auto wrote = (*writer)->write(
        (*first)->frame,
        faces_in((*first)->frame,
                 {some_face(1, {-500, -500, 100, 100}), some_face(2, {150, 110, 1e9F, 1e9F}), broken,
                  some_face(0, {30, 30, 1, 1}), some_face(9, {nan, 0, 10, 10}), some_face(4, {5, 5, 0, 0}),
                  some_face(1'000'000'000'000, {-1e9F, -1e9F, 3e9F, 3e9F})}));
    EXPECT_TRUE(wrote) << wrote.error().message;
    EXPECT_TRUE((*writer)->finish());
}

TEST(media_writer, later_frames_of_another_size_are_scaled) {
    const std::string small = make("s1.png", "-f lavfi -i testsrc2=s=64x48 -frames:v 1");
    make("sizes/1.png", "-f lavfi -i testsrc2=s=64x48 -frames:v 1");
    make("sizes/2.png", "-f lavfi -i testsrc2=s=320x200 -frames:v 1");
    make("sizes/3.png", "-f lavfi -i testsrc2=s=17x31 -frames:v 1");
    const auto wrote = annotate(at("sizes"), at("w8.mp4"));
    ASSERT_TRUE(wrote) << wrote.error().message;
    const auto opened = open_or_fail(at("w8.mp4"));
    EXPECT_EQ(opened->info().width, 64);
    EXPECT_EQ(read_all(*opened).frames.size(), 3U);
}

TEST(media_writer, times_must_ascend) {
    const auto opened = open_or_fail(plain_video());
    auto first = opened->next();
    video_writer_options options;
    options.path = at("w10.mp4");
    auto writer = video_writer::create(options);
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write((*first)->frame, faces_in((*first)->frame, {})));
    const auto again = (*writer)->write((*first)->frame, faces_in((*first)->frame, {}));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, errc::invalid_argument);
}

TEST(media_writer, frames_drawn_side_by_side_give_the_same_bytes) {
    const auto frames = some_annotated(31);
    ASSERT_EQ(frames.size(), 31U);
    std::set<std::string> videos;
    for (const std::int32_t threads : {0, 1, 2, 4}) {
        std::optional<worker_pool> pool;
        video_writer_options options;
        options.path = at("w13.mp4");
        options.threads = 1;  // x264's choices depend on the number of its threads
        if (threads > 0) options.pool = &pool.emplace(threads);
        auto writer = video_writer::create(options);
        ASSERT_TRUE(writer);
        const std::size_t at_once = (*writer)->at_once();
        EXPECT_EQ(at_once, static_cast<std::size_t>(std::clamp(threads, 1, 3)));
        for (std::size_t i = 0; i < frames.size(); i += at_once) {
            const auto some = std::span(frames).subspan(i, std::min(at_once, frames.size() - i));
            const auto wrote = (*writer)->write(some);
            ASSERT_TRUE(wrote) << wrote.error().message;
        }
        ASSERT_TRUE((*writer)->finish());
        videos.insert(read_bytes(at("w13.mp4")));
    }
    EXPECT_EQ(videos.size(), 1U);
}

}  // namespace
}  // namespace faceflow::internal::media
