// SPDX-License-Identifier: Apache-2.0
// When frames are shown: joined recordings, clocks that jump, timestamps that are wrong, and starts in the middle.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "media_testing.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

constexpr const char* two_seconds = "-f lavfi -i testsrc2=s=160x120:r=25:d=2 -pix_fmt yuv420p ";

std::vector<double> times_of(const everything& read) {
    std::vector<double> times;
    for (const auto& frame : read.frames)
        times.push_back(seconds(frame));
    return times;
}

// As many frames as were put in, 40 ms apart.
void expect_even(const everything& read, std::size_t frames) {
    EXPECT_TRUE(read.errors.empty());
    ASSERT_EQ(read.frames.size(), frames);
    for (std::size_t i = 0; i < frames; ++i)
        EXPECT_NEAR(seconds(read.frames[i]), 0.04 * static_cast<double>(i), 0.002) << i;
}

void expect_ascending(const everything& read) {
    const auto times = times_of(read);
    EXPECT_EQ(std::ranges::adjacent_find(times, std::ranges::greater_equal()), times.end());
}

// Moves the timestamps of some of a transport stream's pictures, as they lie in the stream; `last` is one of them.
std::string with_moved_times(std::string stream, double by_seconds, int first, int last) {
    const auto get = [&](std::size_t at) {
        const auto b = [&](std::size_t i) {
            return static_cast<std::int64_t>(static_cast<unsigned char>(stream[at + i]));
        };
        return (b(0) >> 1 & 7) << 30 | b(1) << 22 | (b(2) >> 1) << 15 | b(3) << 7 | b(4) >> 1;
    };
    const auto put = [&](std::size_t at, std::int64_t t) {
        t &= (std::int64_t{1} << 33) - 1;
        const auto set = [&](std::size_t i, std::int64_t v) { stream[at + i] = static_cast<char>(v); };
        set(0, (stream[at] & 0xF0) | (t >> 30 & 7) << 1 | 1);
        set(1, t >> 22 & 255);
        set(2, (t >> 15 & 127) << 1 | 1);
        set(3, t >> 7 & 255);
        set(4, (t & 127) << 1 | 1);
    };
    int picture = 0;
    for (std::size_t at = 0; at + 188 <= stream.size(); at += 188) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(stream[at + i]); };
        const int field = byte(3) >> 4 & 3;
        if ((byte(1) & 0x40) == 0 || (field & 1) == 0) continue;
        const std::size_t pes = 4 + ((field & 2) != 0 ? 1U + byte(4) : 0U);
        if (pes + 19 > 188 || byte(pes) != 0 || byte(pes + 1) != 0 || byte(pes + 2) != 1 ||
            (byte(pes + 3) & 0xF0) != 0xE0)
            continue;
        const int flags = byte(pes + 7) >> 6;
        if ((flags & 2) != 0 && picture >= first && picture <= last) {
            for (int k = 0; k <= (flags & 1); ++k) {
                const std::size_t stamp = at + pes + 9 + static_cast<std::size_t>(5 * k);
                put(stamp, get(stamp) + std::llround(by_seconds * 90000));
            }
        }
        ++picture;
    }
    return stream;
}

TEST(media_time, joined_recordings_lose_no_frame) {
    const std::string once = read_bytes(make("joined1.ts", two_seconds + std::string("-g 25")));
    write_bytes(at("joined.ts"), once + once + once);
    const auto opened = open_or_fail(at("joined.ts"));
    expect_even(read_all(*opened), 150);
    EXPECT_EQ(opened->survived().at("timestamp_jump"), 2U);
    EXPECT_FALSE(opened->survived().contains("timestamp_order"));
}

TEST(media_time, joined_flv_and_matroska_lose_no_frame) {
    for (const std::string kind : {"flv", "mkv"}) {
        const std::string once =
            read_bytes(make("part." + kind, two_seconds + std::string("-c:v libx264 -g 25 -bf 2")));
        write_bytes(at("parts." + kind), once + once + once);
        const auto opened = open_or_fail(at("parts." + kind));
        expect_even(read_all(*opened), 150);
        EXPECT_EQ(opened->survived(), (std::map<std::string, std::uint64_t>{{"timestamp_jump", 2}})) << kind;
    }
}

TEST(media_time, a_step_back_of_less_than_two_seconds_is_a_join_too) {
    const std::string once =
        read_bytes(make("short.ts", "-f lavfi -i testsrc2=s=160x120:r=25:d=0.6 -pix_fmt yuv420p -bf 2"));
    write_bytes(at("joined_short.ts"), once + once + once + once);
    const auto opened = open_or_fail(at("joined_short.ts"));
    expect_even(read_all(*opened), 60);
    EXPECT_EQ(opened->survived().at("timestamp_jump"), 3U);
}

TEST(media_time, frames_of_one_timestamp_are_put_between_their_neighbours) {
    const std::string file =
        make("twins.mkv", two_seconds + std::string("-vf setpts='floor(N/2)*2/25/TB' -vsync passthrough "
                                                    "-enc_time_base 1/90000 -bf 0"));
    const auto opened = open_or_fail(file);
    expect_even(read_all(*opened), 50);
    EXPECT_EQ(opened->survived().at("timestamp_order"), 25U);
}

TEST(media_time, a_clock_that_jumps_by_hours_is_a_join_in_a_transport_stream) {
    const std::string once = read_bytes(make("joined1.ts", two_seconds + std::string("-g 25")));
    const std::string later = read_bytes(make("later.ts", two_seconds + std::string("-g 25 -output_ts_offset 36000")));
    write_bytes(at("forward.ts"), once + later);
    const auto opened = open_or_fail(at("forward.ts"));
    expect_even(read_all(*opened), 100);
    EXPECT_EQ(opened->survived().at("timestamp_jump"), 1U);
    write_bytes(at("backward.ts"), later + once);
    const auto back = open_or_fail(at("backward.ts"));
    expect_even(read_all(*back), 100);
    EXPECT_EQ(back->survived().at("timestamp_jump"), 1U);
}

TEST(media_time, wrong_timestamps_shift_no_other_frame) {
    const std::string stream = read_bytes(make("plain.ts", two_seconds + std::string("-g 25 -bf 0")));
    for (const double off : {37600.0, 3.0, -0.5, -37600.0}) {
        for (const int frames : {1, 2, 4}) {
            write_bytes(at("outlier.ts"), with_moved_times(stream, off, 20, 19 + frames));
            const auto opened = open_or_fail(at("outlier.ts"));
            const everything read = read_all(*opened);
            ASSERT_EQ(read.frames.size(), 50U) << off;
            expect_ascending(read);
            for (std::size_t i = 0; i < 50; ++i)
                EXPECT_NEAR(seconds(read.frames[i]), 0.04 * static_cast<double>(i), 0.041)
                    << off << ' ' << frames << ' ' << i;
            EXPECT_NEAR(seconds(read.frames.back()), 1.96, 0.001) << off;
            EXPECT_EQ(opened->survived().at("timestamp_outlier"), static_cast<std::uint64_t>(frames)) << off;
            EXPECT_GE(opened->survived().at("timestamp_jump"), 1U);
        }
    }
}

// A block says its time in the two bytes behind its track's number.
TEST(media_time, wrong_timestamps_in_matroska_shift_no_other_frame) {
    std::string bytes = read_bytes(make("plain.mkv", two_seconds + std::string("-c:v mpeg4 -g 100 -bf 0")));
    for (const int frame : {20, 21}) {
        const int time = frame * 40, wrong = time + 20'000;
        const auto block = [](int ms) {
            return std::string{'\x81', static_cast<char>(ms >> 8), static_cast<char>(ms), 0};
        };
        const auto found = bytes.find(block(time));
        ASSERT_NE(found, std::string::npos);
        bytes.replace(found, 4, block(wrong));
    }
    write_bytes(at("outlier.mkv"), bytes);
    const auto opened = open_or_fail(at("outlier.mkv"));
    expect_even(read_all(*opened), 50);
    EXPECT_EQ(opened->survived().at("timestamp_outlier"), 2U);
}

TEST(media_time, gaps_that_a_file_states_are_kept) {
    const std::string file =
        make("lapse.mkv",
             "-f lavfi -i testsrc2=s=160x120:r=25:d=0.2 -vf setpts='N*25200/TB' -vsync passthrough "
             "-c:v mjpeg -enc_time_base 1/1000");
    const auto opened = open_or_fail(file);
    EXPECT_THAT(times_of(read_all(*opened)), testing::ElementsAre(0, 25200, 50400, 75600, 100800));
    EXPECT_TRUE(opened->survived().empty());
}

// FFmpeg ignores offsets between decoding and showing that are so long, and takes the wait for the first picture for pictures.
TEST(media_time, frames_hours_apart_are_all_there_in_mp4_with_b_frames) {
    const std::string file = make("lapse.mp4",
                                  "-f lavfi -i testsrc2=s=160x120:r=25:d=0.2 -pix_fmt yuv420p -vf setpts='N*25200/TB' "
                                  "-r 1/25200 -c:v libx264 -bf 2");
    const auto opened = open_or_fail(file);
    EXPECT_THAT(times_of(read_all(*opened)), testing::ElementsAre(0, 25200, 50400, 75600, 100800));
    EXPECT_TRUE(opened->survived().empty());
}

TEST(media_time, a_gap_of_hours_lies_where_mp4_with_b_frames_states_it) {
    const std::string file = make("gap.mp4",
                                  "-f lavfi -i testsrc2=s=160x120:r=25:d=2 -vf "
                                  "\"setpts='if(lt(N,25),N,N+900000)',format=yuv420p\" -vsync passthrough "
                                  "-enc_time_base 1/1000 -c:v libx264 -bf 2 -g 20");
    const auto opened = open_or_fail(file);
    const auto times = times_of(read_all(*opened));
    ASSERT_EQ(times.size(), 50U);
    for (std::size_t i = 0; i < 50; ++i)
        EXPECT_NEAR(times[i], 0.04 * static_cast<double>(i) + (i < 25 ? 0 : 36000), 0.002) << i;
    EXPECT_TRUE(opened->survived().empty());
    source_options options;
    options.start_seconds = times[30];
    const auto later = open_or_fail(file, options);
    ASSERT_TRUE(later);
    EXPECT_EQ(times_of(read_all(*later)), std::vector<double>(times.begin() + 30, times.end()));
}

TEST(media_time, pictures_of_h264_come_in_order_where_the_container_states_decoding_alone) {
    const std::string file = make("b_frames.avi", two_seconds + std::string("-c:v libx264 -bf 2 -g 25"));
    const auto opened = open_or_fail(file);
    expect_even(read_all(*opened), 50);
    EXPECT_TRUE(opened->survived().empty());
}

TEST(media_time, a_recording_that_does_not_begin_at_zero_is_not_truncated) {
    for (const std::string name : {"late.mkv", "late.mp4", "late.ts", "late.nut", "late.flv", "whole.nut"}) {
        const std::string offset = name.starts_with("late") ? "-output_ts_offset 5" : "";
        const auto opened = open_or_fail(make(name, two_seconds + std::string("-c:v libx264 ") + offset));
        EXPECT_NEAR(static_cast<double>(opened->info().frames.value_or(50)), 50, 3) << name;
        expect_even(read_all(*opened), 50);
        EXPECT_FALSE(opened->survived().contains("truncated")) << name;
    }
}

TEST(media_time, a_clock_that_wraps_in_the_middle_goes_on) {
    const std::string file = make("wrap.ts", two_seconds + std::string("-c:v libx264 -bf 2 -g 25 -output_ts_offset "
                                                                       "95442.7 -muxdelay 0 -muxpreload 0"));
    const auto opened = open_or_fail(file);
    expect_even(read_all(*opened), 50);
    EXPECT_TRUE(opened->survived().empty());
}

// The visible pixels of the first plane.
std::string luma_of(const read_frame& read) {
    const image& picture = read.frame.picture;
    std::string bytes;
    for (std::int32_t y = 0; y < picture.height; ++y) {
        const auto* row = picture.planes[0].data + std::ptrdiff_t{y} * picture.planes[0].stride;
        bytes.append(reinterpret_cast<const char*>(row), static_cast<std::size_t>(picture.width));
    }
    return bytes;
}

struct start_case {
    std::string name, arguments;
    int copies = 1;  // one after the other
};

class media_start : public testing::TestWithParam<start_case> {};

TEST_P(media_start, gives_the_frames_of_the_whole_run_to_the_byte) {
    const auto& [name, arguments, copies] = GetParam();
    std::string file = make(name, "-f lavfi -i testsrc2=s=160x120:r=25:d=3 -pix_fmt yuv420p " + arguments);
    if (copies > 1) {
        std::string all;
        for (int i = 0; i < copies; ++i)
            all += read_bytes(file);
        write_bytes(file = at("copies_" + name), all);
    }
    std::map<std::int64_t, std::string> whole;
    const everything first = read_all(*open_or_fail(file));
    for (const auto& read : first.frames)
        whole[read.frame.pts_ns] = luma_of(read);
    ASSERT_GE(whole.size(), 75U);
    std::size_t index = 0;
    for (const auto& [pts_ns, pixels] : whole) {
        if (index++ % 7 != 3) continue;
        source_options options;
        // As the time stands in a row: rounded to the microsecond.
        options.start_seconds = std::round(static_cast<double>(pts_ns) / 1e3) / 1e6;
        const auto opened = open_or_fail(file, options);
        ASSERT_TRUE(opened);
        const everything read = read_all(*opened);
        auto expected = whole.find(pts_ns);
        ASSERT_EQ(read.frames.size(), static_cast<std::size_t>(std::distance(expected, whole.end())))
            << *options.start_seconds;
        for (const auto& frame : read.frames) {
            ASSERT_EQ(frame.frame.pts_ns, expected->first) << *options.start_seconds;
            ASSERT_TRUE(luma_of(frame) == expected->second) << *options.start_seconds << ": " << seconds(frame);
            ++expected;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    containers, media_start,
    testing::Values(
        start_case{"open_gop_hevc.ts",
                   "-c:v libx265 -x265-params log-level=none:open-gop=1:keyint=20:min-keyint=20:bframes=4:scenecut=0"},
        start_case{"open_gop_hevc.mkv",
                   "-c:v libx265 -x265-params log-level=none:open-gop=1:keyint=20:min-keyint=20:bframes=4:scenecut=0"},
        start_case{"open_gop_h264.mp4", "-c:v libx264 -x264-params open-gop=1:keyint=20:bframes=3"},
        start_case{"refresh.ts", "-c:v libx264 -x264-params intra-refresh=1:keyint=20:bframes=0"},
        start_case{"joined.ts", "-c:v libx264 -g 20", 3}, start_case{"joined.mkv", "-c:v libx264 -g 20", 3},
        start_case{"plain.flv", "-c:v libx264 -g 20"}, start_case{"joined.flv", "-c:v libx264 -g 20", 2},
        start_case{"mpeg2.ts", "-c:v mpeg2video -q:v 3 -g 15 -bf 2"},
        start_case{"mpeg2.mpg", "-c:v mpeg2video -q:v 3 -g 15 -f vob"},
        start_case{"raw.h264", "-c:v libx264 -bf 0 -g 20"}, start_case{"reordered.avi", "-c:v libx264 -bf 2 -g 20"},
        start_case{"plain.nut", "-c:v libx264 -g 20"},
        start_case{"vp9.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20"}),
    [](const auto& about) {
        std::string name = (about.param.copies > 1 ? "copies_" : "") + about.param.name;
        std::ranges::replace(name, '.', '_');
        return name;
    });

}  // namespace
}  // namespace faceflow::internal::media
