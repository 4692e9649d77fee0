// SPDX-License-Identifier: Apache-2.0
// Inputs that are missing, wrong or broken: each fails with its own words, or is survived and counted.
#include <sys/stat.h>

#include <random>

#include "media_testing.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

std::string noise(std::size_t size) {
    std::mt19937 random(7);
    std::string bytes(size, '\0');
    for (char& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

void expect_refused(const std::string& input, errc code, const std::string& words) {
    const auto opened = open_source(input, {});
    ASSERT_FALSE(opened) << input;
    EXPECT_EQ(name(opened.error().code), name(code)) << opened.error().message;
    EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().message;
}

TEST(media_refusal, nothing_given) {
    expect_refused("", errc::invalid_argument, "empty");
}

TEST(media_refusal, a_missing_file_is_named) {
    expect_refused(at("no-such.mp4"), errc::not_found, at("no-such.mp4"));
    expect_refused(plain_video() + "/x.mp4", errc::not_found, "x.mp4");
}

TEST(media_refusal, zero_bytes) {
    write_bytes(at("zero.mp4"), "");
    expect_refused(at("zero.mp4"), errc::corrupt, "0 bytes");
}

TEST(media_refusal, text_named_like_a_video) {
    write_bytes(at("text.mp4"), "not a video\n");
    expect_refused(at("text.mp4"), errc::corrupt, "text.mp4");
}

TEST(media_refusal, text) {
    std::string text;
    for (int i = 0; i < 500; ++i)
        text += "a line of prose\n";
    write_bytes(at("prose.txt"), text);
    expect_refused(at("prose.txt"), errc::unsupported, "is text");
}

TEST(media_refusal, noise_under_any_name) {
    for (const char* file : {"noise.mp4", "noise.png", "noise.jpg", "noise.avi", "noise"}) {
        write_bytes(at(file), noise(100'000));
        const auto opened = open_source(at(file), {});
        ASSERT_FALSE(opened) << file;
        EXPECT_NE(opened.error().message.find(file), std::string::npos);
    }
}

TEST(media_refusal, a_stream_whose_frames_are_all_noise) {
    std::string bytes = read_bytes(make("noframes.mkv", "-f lavfi -i testsrc2=s=64x64:d=1 -c:v png"));
    const std::string junk = noise(bytes.size());
    for (std::size_t i = 2000; i < bytes.size(); ++i)
        bytes[i] = junk[i];
    write_bytes(at("noframes2.mkv"), bytes.substr(0, 700) + junk.substr(700));
    const auto opened = open_source(at("noframes2.mkv"), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::corrupt) << opened.error().message;
}

TEST(media_refusal, sound_only) {
    expect_refused(make("sound.mp4", "-f lavfi -i sine=d=1"), errc::unsupported, "has no video stream");
    expect_refused(make("sound.wav", "-f lavfi -i sine=d=1"), errc::unsupported, "has no video stream");
}

TEST(media_refusal, a_song_with_a_cover_picture) {
    const std::string cover = make("cover.png", "-f lavfi -i testsrc2=s=64x64 -frames:v 1");
    expect_refused(make("cover.mp3", "-f lavfi -i sine=d=1 -i " + cover + " -map 0 -map 1 -c:v copy"),
                   errc::unsupported, "has no video stream");
}

TEST(media_refusal, a_folder_without_pictures) {
    std::filesystem::create_directories(at("hollow"));
    write_bytes(at("hollow/readme.txt"), "x");
    expect_refused(at("hollow"), errc::not_found, "holds no pictures");
}

TEST(media_refusal, a_pattern_that_matches_nothing_or_no_picture) {
    expect_refused(at("none*.png"), errc::not_found, "no file matches");
    plain_video();
    expect_refused(at("plain*.mp4"), errc::unsupported, "picture");
}

TEST(media_refusal, a_camera_that_is_not_there) {
    expect_refused("/dev/video99", errc::not_found, "there is no camera /dev/video99: this machine has");
    expect_refused("/dev/null", errc::unsupported, "no camera");
}

TEST(media_refusal, hosts_that_do_not_answer) {
    expect_refused("http://127.0.0.1:9/x.mp4", errc::io, "refused");
    expect_refused("rtsp://127.0.0.1:9/x", errc::io, "refused");
    expect_refused("http://no-such-host.invalid/x.mp4", errc::not_found, "unknown");
    expect_refused("nonsense://x", errc::unsupported, "protocol");
}

TEST(media_refusal, no_permission) {
    const std::string path = at("secret.mp4");
    std::filesystem::copy_file(plain_video(), path, std::filesystem::copy_options::overwrite_existing);
    chmod(path.c_str(), 0);
    if (std::ifstream(path)) GTEST_SKIP() << "this user may read everything";
    expect_refused(path, errc::io, "permission");
}

TEST(media_refusal, times_that_make_no_sense) {
    for (const auto& [start, end] : {std::pair{-1.0, 2.0}, {2.0, 2.0}, {3.0, 1.0}, {100.0, 200.0}}) {
        source_options options;
        options.start_seconds = start;
        options.end_seconds = end;
        const auto opened = open_source(plain_video(), options);
        ASSERT_FALSE(opened) << start << ' ' << end;
        EXPECT_EQ(opened.error().code, errc::invalid_argument);
    }
}

class media_truncated : public testing::TestWithParam<const char*> {};

TEST_P(media_truncated, gives_what_is_there_and_says_so) {
    const std::string kind = GetParam();
    const std::string whole = make("whole." + kind, "-f lavfi -i testsrc2=s=160x120:r=25:d=4 -pix_fmt yuv420p" +
                                                        std::string(kind == "mp4" ? " -movflags +faststart" : ""));
    const std::string bytes = read_bytes(whole);
    write_bytes(at("cut." + kind), bytes.substr(0, bytes.size() * 6 / 10));
    const auto opened = open_or_fail(at("cut." + kind));
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    EXPECT_TRUE(read.errors.empty());
    EXPECT_GT(read.frames.size(), 30U);
    EXPECT_LT(read.frames.size(), 90U);
    const auto survived = opened->survived();
    EXPECT_TRUE(survived.contains("truncated") || survived.contains("corrupt_packet"));
}

INSTANTIATE_TEST_SUITE_P(containers, media_truncated, testing::Values("mp4", "mkv", "avi", "webm"),
                         [](const auto& about) { return std::string(about.param); });

TEST(media_damage, bad_packets_do_not_end_the_run) {
    for (const char* kind : {"mp4", "ts", "avi"}) {
        const std::string path =
            make(std::string("sound_whole.") + kind, "-f lavfi -i testsrc2=s=160x120:r=25:d=4 -pix_fmt yuv420p -g 12");
        std::string bytes = read_bytes(path);
        std::mt19937 random(5);
        for (int i = 0; i < 300; ++i) {
            bytes[bytes.size() / 4 + random() % (bytes.size() / 2)] = static_cast<char>(random());
        }
        write_bytes(at(std::string("bitten.") + kind), bytes);
        const auto opened = open_or_fail(at(std::string("bitten.") + kind));
        ASSERT_TRUE(opened);
        const everything read = read_all(*opened);
        EXPECT_TRUE(read.errors.empty()) << kind;
        EXPECT_GT(read.frames.size(), 70U) << kind;
        EXPECT_GT(seconds(read.frames.back()), 3.8) << kind;
        const auto survived = opened->survived();
        EXPECT_TRUE(survived.contains("damaged_frame") || survived.contains("corrupt_packet")) << kind;
    }
}

TEST(media_damage, any_bytes_at_all_neither_crash_nor_hang) {
    const std::string good = read_bytes(plain_video());
    std::mt19937 random(11);
    for (int round = 0; round < 30; ++round) {
        std::string bytes = good.substr(0, 1 + random() % good.size());
        for (int i = 0; i < 40; ++i)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        write_bytes(at("fuzz.mp4"), bytes);
        auto opened = open_source(at("fuzz.mp4"), {});
        if (!opened) continue;
        EXPECT_LE(read_all(**opened).frames.size(), 1000U);
    }
}

}  // namespace
}  // namespace faceflow::internal::media
