// SPDX-License-Identifier: Apache-2.0
// A thread that cannot be made, whichever it is: an error that says so, and nothing left behind or waited for.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/engine.hpp"
#include "flow/option_table.hpp"
#include "stage_children.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

using testing::HasSubstr;

struct limited_run {
    std::string how;  // it ended; empty: by itself
    int status = -1;
    std::string said;
};

// Runs a program that can make so many threads.
limited_run run_limited(const std::string& program, std::vector<std::string> arguments, int threads) {
    const test::temporary_folder folder;
    const std::string said = (folder / "said").string();
    const pid_t child = ::fork();
    if (child == 0) {
        ::setenv("LD_PRELOAD", test::program("libfaceflow_thread_limit.so").c_str(), 1);
        ::setenv("FACEFLOW_THREAD_LIMIT", std::to_string(threads).c_str(), 1);
        ::setenv("FACEFLOW_THREAD_LIMIT_OF", program.c_str(), 1);
        const int out = ::open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(out, 1);
        ::dup2(out, 2);
        std::vector<char*> words;
        arguments.insert(arguments.begin(), test::program(program));
        for (auto& a : arguments)
            words.push_back(a.data());
        words.push_back(nullptr);
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    limited_run run;
    int status = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (::waitpid(child, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > deadline) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
            run.how = "it hung";
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (run.how.empty() && WIFSIGNALED(status)) run.how = "signal " + std::to_string(WTERMSIG(status));
    if (WIFEXITED(status)) run.status = WEXITSTATUS(status);
    run.said = test::contents(said);
    return run;
}

// More and more threads, until it can do without any more.
void expect_errors_until_it_works(const std::string& program, const std::vector<std::string>& arguments) {
    if (test::sanitized) GTEST_SKIP() << "a sanitizer makes threads by itself, and wants to be loaded first";
    int failures = 0;
    for (int threads = 0; threads < 100; ++threads) {
        const auto run = run_limited(program, arguments, threads);
        ASSERT_EQ(run.how, "") << "with " << threads << " threads: " << run.said;
        if (run.status == 0) {
            EXPECT_GT(failures, 0) << "nothing was held back";
            return;
        }
        ++failures;
        ASSERT_THAT(run.said, HasSubstr("cannot start a thread for")) << "with " << threads << " threads";
        ASSERT_THAT(run.said, HasSubstr("ulimit -u"));
    }
    FAIL() << "it never worked";
}

class thread_limit : public testing::TestWithParam<const char*> {};

TEST_P(thread_limit, of_a_flow_is_an_error_of_its_start) {
    ::setenv("FACEFLOW_TEST_FLOW", GetParam(), 1);
    expect_errors_until_it_works("faceflow_integration_tests", {"--gtest_filter=thread_limit_engine.*"});
    ::unsetenv("FACEFLOW_TEST_FLOW");
}

INSTANTIATE_TEST_SUITE_P(flows, thread_limit, testing::Values("fused", "threaded", "shared", "cached"),
                         [](const auto& flow) { return std::string(flow.param); });

// What the tests above run, with as many threads as they say; by itself it has all that it wants.
TEST(thread_limit_engine, takes_two_frames) {
    const char* const flow = std::getenv("FACEFLOW_TEST_FLOW");
    options o;
    if (flow != nullptr) o.flow = flow::value_of<&options::flow>(flow).value();
    o.device = "emulated";
    o.link = "none";
    o.detector = detector::blazeface;
    o.threads = 1;
    std::atomic<int> results{0};
    auto made = face_engine::create({o, [&](const host_frame&, const result<frame_faces>&) { ++results; }, true});
    ASSERT_OK(made);
    const auto picture = test::random_picture(pixel_format::i420, 320, 240, 5);
    (*made)->begin_source(0);
    for (std::uint64_t i = 0; i < 2; ++i) {
        host_frame f;
        f.id.sequence = i;
        f.picture = picture.view;
        EXPECT_OK((*made)->submit(f));
    }
    (*made)->end_source(0);
    (*made)->drain();
    EXPECT_EQ(results, 2);
}

TEST(thread_limit_share, is_an_error_of_its_start_and_it_is_not_deaf) {
    if (!std::filesystem::exists(test::demo)) GTEST_SKIP() << "assets/demo.mp4 is missing; tools/setup.sh makes it";
    const test::temporary_folder folder;
    // A still picture: FFmpeg makes threads of its own for a video, and does with fewer.
    const auto picture = (std::filesystem::path(FACEFLOW_TEST_DATA) / "goldens").string();
    std::string input;
    for (const auto& e : std::filesystem::directory_iterator(picture)) {
        if (e.path().extension() == ".png" || e.path().extension() == ".jpg") input = e.path().string();
    }
    ASSERT_FALSE(input.empty()) << picture;
    expect_errors_until_it_works(
        "faceflow", {"share", input, input, "--limit", "1", "--quiet", "--socket", (folder / "s").string()});
}

}  // namespace
}  // namespace faceflow::internal
