// SPDX-License-Identifier: Apache-2.0
// annotated.mp4 when something goes wrong: what was written is kept and plays, or nothing is left.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <span>
#include <string>

#include "video_writer_testing.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

TEST(media_writer, discarded_nothing_remains) {
    const auto opened = open_or_fail(plain_video());
    {
        video_writer_options options;
        options.path = at("w9.mp4");
        auto writer = video_writer::create(options);
        ASSERT_TRUE(writer);
        EXPECT_TRUE(leftovers("w9.mp4"));
        auto first = opened->next();
        ASSERT_TRUE((*writer)->write((*first)->frame, faces_in((*first)->frame, {})));
        (*writer)->discard();
    }
    EXPECT_FALSE(std::filesystem::exists(at("w9.mp4")));
    EXPECT_FALSE(leftovers("w9.mp4"));
}

// Frames of `input` from a process that is killed when it has written them.
void annotate_and_die(const std::string& input, const std::string& output, const std::string& token, int frames) {
    const pid_t child = fork();
    if (child == 0) {
        const auto opened = open_source(input, {});
        video_writer_options options;
        options.path = output;
        options.token = token;
        options.audio_from = input;
        options.threads = 1;
        auto writer = video_writer::create(options);
        for (int i = 0; i < frames && writer && opened; ++i) {
            auto next = (*opened)->next();
            if (!next || !*next) break;
            if (!(*writer)->write((*next)->frame, faces_in((*next)->frame, {}))) _exit(1);
        }
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
}

TEST(media_writer, what_a_killed_writer_left_plays_and_becomes_an_ordinary_mp4) {
    const std::string input =
        make("w13in.mp4", "-f lavfi -i testsrc2=s=160x120:r=25:d=8 -f lavfi -i sine=d=8 -pix_fmt yuv420p");
    annotate_and_die(input, at("w13.mp4"), "00ff", 190);
    const std::string part = at(".w13.mp4.part-00ff");
    ASSERT_TRUE(std::filesystem::exists(part));
    const std::size_t fragments = read_all(*open_or_fail(part)).frames.size();
    EXPECT_GE(fragments, 100U) << "the encoder looks ahead, and a fragment is a second";

    auto adopted = part_file::adopt(part);
    ASSERT_TRUE(adopted) << adopted.error().message;
    const auto whole = make_whole(*adopted, make_part_token());
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(whole->note, "");
    EXPECT_EQ(whole->pictures, fragments);
    ASSERT_TRUE(adopted->settle());
    const everything read = read_all(*open_or_fail(at("w13.mp4")));
    ASSERT_EQ(read.frames.size(), fragments);
    // A fragment may end between a picture and those that are decoded after it and shown before.
    constexpr std::size_t reordered = 4;
    for (std::size_t i = 0; i < fragments; ++i) {
        const double shown = 0.04 * static_cast<double>(i);
        EXPECT_NEAR(seconds(read.frames[i]), shown, i + reordered < fragments ? 1e-4 : 0.04 * reordered);
        EXPECT_GE(seconds(read.frames[i]), shown - 1e-4);
    }
    EXPECT_EQ(probe(at("w13.mp4"), "a", "codec_name"), "aac");
    EXPECT_FALSE(leftovers("w13.mp4"));
}

TEST(media_writer, fragments_cut_anywhere_give_the_pictures_before_the_cut) {
    const std::string input = make("w14in.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=8 -pix_fmt yuv420p");
    annotate_and_die(input, at("w14.mp4"), "00fe", 200);
    const std::string bytes = read_bytes(at(".w14.mp4.part-00fe"));
    std::uint64_t before = 0;
    for (std::size_t cut = bytes.size() / 40; cut < bytes.size(); cut += bytes.size() / 40) {
        write_bytes(at("w14cut.mp4"), bytes.substr(0, cut));
        const unique_fd from(::open(at("w14cut.mp4").c_str(), O_RDONLY | O_CLOEXEC));
        const unique_fd to(::open(at("w14to.mp4").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        const auto pictures = make_ordinary_mp4(from.get(), to.get(), "w14.mp4");
        if (!pictures) {
            EXPECT_EQ(pictures.error().code, errc::corrupt) << pictures.error().message;
            EXPECT_EQ(before, 0U) << "at " << cut;
            continue;
        }
        EXPECT_GE(*pictures, before);
        before = *pictures;
        EXPECT_EQ(read_all(*open_or_fail(at("w14to.mp4"))).frames.size(), *pictures) << "at " << cut;
    }
    EXPECT_GT(before, 50U);
}

TEST(media_writer, a_finished_video_whose_name_is_taken_is_whole_beside_it) {
    std::filesystem::create_directories(at("w15"));
    const auto opened = open_or_fail(plain_video());
    video_writer_options options;
    options.path = at("w15/out.mp4");
    options.frames_per_second = 25;
    auto writer = video_writer::create(options);
    ASSERT_TRUE(writer);
    for (int i = 0; i < 60; ++i) {
        auto next = opened->next();
        ASSERT_TRUE(next && *next && (*writer)->write((*next)->frame, faces_in((*next)->frame, {})));
    }
    std::filesystem::create_directories(at("w15/out.mp4"));
    const auto finished = (*writer)->finish();
    ASSERT_TRUE(finished) << finished.error().message;
    EXPECT_EQ(finished->path, at("w15/out-2.mp4"));
    EXPECT_EQ(read_all(*open_or_fail(at("w15/out-2.mp4"))).frames.size(), 60U);
}

// The folder is gone: no name can be had for it, and what is there of it is all of it.
TEST(media_writer, a_finished_video_that_gets_no_name_is_not_cut) {
    std::filesystem::create_directories(at("w16"));
    const auto opened = open_or_fail(plain_video());
    video_writer_options options;
    options.path = at("w16/out.mp4");
    options.token = "00aa";
    auto writer = video_writer::create(options);
    ASSERT_TRUE(writer);
    for (int i = 0; i < 5; ++i) {
        auto next = opened->next();
        ASSERT_TRUE(next && *next && (*writer)->write((*next)->frame, faces_in((*next)->frame, {})));
    }
    std::filesystem::create_hard_link(at("w16/.out.mp4.part-00aa"), at("w16kept.mp4"));
    std::filesystem::remove_all(at("w16"));
    const auto finished = (*writer)->finish();
    EXPECT_FALSE(finished);
    EXPECT_TRUE((*writer)->keep());
    EXPECT_EQ(read_all(*open_or_fail(at("w16kept.mp4"))).frames.size(), 5U);
}

TEST(media_writer, frames_before_one_that_fails_are_written) {
    auto frames = some_annotated(6);
    ASSERT_EQ(frames.size(), 6U);
    frames[4].frame.picture.planes[0].data = nullptr;
    worker_pool pool(3);
    video_writer_options options;
    options.path = at("w14.mp4");
    options.pool = &pool;
    auto writer = video_writer::create(options);
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write(std::span(frames).first(3)));
    const auto failed = (*writer)->write(std::span(frames).subspan(3));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, errc::invalid_argument);
    ASSERT_TRUE((*writer)->finish());
    EXPECT_EQ(read_all(*open_or_fail(at("w14.mp4"))).frames.size(), 4U);
}

TEST(media_writer, no_frame_is_no_video) {
    video_writer_options options;
    options.path = at("w11.mp4");
    auto writer = video_writer::create(options);
    ASSERT_TRUE(writer);
    EXPECT_FALSE((*writer)->finish());
}

TEST(media_writer, a_place_that_cannot_be_written_fails_at_once) {
    for (const char* path : {"/dev/full/x.mp4", "/no/such/folder/x.mp4", "/proc/x.mp4"}) {
        video_writer_options options;
        options.path = path;
        const auto writer = video_writer::create(options);
        ASSERT_FALSE(writer) << path;
        EXPECT_EQ(writer.error().code, errc::io);
        EXPECT_NE(writer.error().message.find(path), std::string::npos) << writer.error().message;
    }
}

TEST(media_writer, a_disk_that_fills_up_leaves_a_video_that_plays) {
    const std::string input = make("w12in.mp4", "-f lavfi -i testsrc2=s=320x240:r=25:d=6 -pix_fmt yuv420p");
    const pid_t child = fork();
    if (child == 0) {
        // A limit on the file's size fails the same way as a full disk, and needs no rights.
        const rlimit limit{150'000, 150'000};
        setrlimit(RLIMIT_FSIZE, &limit);
        std::signal(SIGXFSZ, SIG_IGN);
        const auto opened = open_source(input, {});
        video_writer_options options;
        options.path = at("w12.mp4");
        options.threads = 1;
        auto writer = video_writer::create(options);
        result<void> outcome;
        for (int i = 0; i < 150 && outcome; ++i) {
            auto next = (*opened)->next();
            if (!next || !*next) break;
            outcome = (*writer)->write((*next)->frame, faces_in((*next)->frame, {some_face(1, {20, 20, 100, 80})}));
        }
        const auto finished = (*writer)->finish();
        const bool told = !finished && finished.error().code == errc::io &&
                          finished.error().message.find("w12.mp4") != std::string::npos;
        _exit(told && (*writer)->keep() == at("w12.mp4") ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_GT(read_all(*open_or_fail(at("w12.mp4"))).frames.size(), 20U);
    EXPECT_FALSE(leftovers("w12.mp4"));
}

}  // namespace
}  // namespace faceflow::internal::media
