// SPDX-License-Identifier: Apache-2.0
// What signals do to a flow of several processes: those that a terminal sends are for the owner alone, a pause of all of them is no
// hang, and a stage process that does hang is found, however it does.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "stage_children.hpp"

namespace faceflow::internal {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// `faceflow run` on the demo clip as a shell starts it: in a process group of its own.
class run_in_a_terminal {
public:
    run_in_a_terminal(const std::string& flow, const std::string& patience) {
        owner_ = ::fork();
        if (owner_ != 0) return;
        ::setpgid(0, 0);
        const int said = ::open((folder_ / "said").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        ::dup2(said, 1);
        ::dup2(said, 2);
        const std::string faceflow = test::program("faceflow"), clip = test::demo.string(),
                          out = (folder_ / "out").string();
        ::execl(faceflow.c_str(), faceflow.c_str(), "run", clip.c_str(), "--flow", flow.c_str(), "--no-video",
                "--quiet", "--detector", "blazeface", "--stage-timeout", patience.c_str(), "--out", out.c_str(),
                nullptr);
        ::_exit(127);
    }
    ~run_in_a_terminal() {
        if (owner_ <= 0) return;
        ::kill(owner_, SIGKILL);
        ::waitpid(owner_, nullptr, 0);
    }
    run_in_a_terminal(const run_in_a_terminal&) = delete;

    // Once all stages work: frames have come through.
    std::vector<test::child> stages() const {
        const std::string rows = (folder_ / "out").string();
        for (int i = 0; i < 600; ++i) {
            std::this_thread::sleep_for(20ms);
            auto all = test::stage_processes(owner_);
            if (all.size() == 3 && test::catches(owner_, SIGINT)) {
                std::this_thread::sleep_for(300ms);
                return all;
            }
        }
        ADD_FAILURE() << "its stages did not start: " << said();
        return {};
    }
    pid_t owner() const { return owner_; }
    // The exit status; -1 when a signal ended it.
    int wait() {
        int status = 0;
        ::waitpid(owner_, &status, 0);
        owner_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    std::string said() const { return test::contents(folder_ / "said"); }

private:
    const test::temporary_folder folder_;
    pid_t owner_ = -1;
};

class terminal_signals : public testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(test::demo)) GTEST_SKIP() << "assets/demo.mp4 is missing; tools/setup.sh makes it";
    }
};

TEST_F(terminal_signals, an_interrupt_reaches_the_owner_alone) {
    run_in_a_terminal run("shared", "20");
    const auto stages = run.stages();
    ASSERT_EQ(stages.size(), 3u);
    for (const auto& s : stages)
        EXPECT_NE(::getpgid(s.id), run.owner());
    ASSERT_EQ(::kill(-run.owner(), SIGINT), 0);  // Ctrl-C
    EXPECT_EQ(run.wait(), 130);
    EXPECT_THAT(run.said(), Not(HasSubstr("starting it again")));
}

// A service manager ends all processes of a service at once.
TEST_F(terminal_signals, what_is_sent_to_all_processes_is_for_the_owner_to_heed) {
    run_in_a_terminal run("shared", "20");
    for (const auto& s : run.stages())
        ::kill(s.id, SIGTERM);
    ASSERT_EQ(::kill(run.owner(), SIGTERM), 0);
    EXPECT_EQ(run.wait(), 130);
    EXPECT_THAT(run.said(), Not(HasSubstr("starting it again")));
}

TEST_F(terminal_signals, a_pause_of_all_of_them_is_no_hang) {
    run_in_a_terminal run("shared", "0.2");
    const auto stages = run.stages();
    for (const bool all : {false, true}) {
        ASSERT_EQ(::kill(-run.owner(), SIGSTOP), 0);
        for (const auto& s : stages) {
            if (all) ::kill(s.id, SIGSTOP);
        }
        std::this_thread::sleep_for(1s);
        for (const auto& s : stages) {
            if (all) ::kill(s.id, SIGCONT);
        }
        ASSERT_EQ(::kill(-run.owner(), SIGCONT), 0);
        std::this_thread::sleep_for(100ms);
    }
    const auto still = test::stage_processes(run.owner());
    ASSERT_EQ(still.size(), stages.size()) << run.said();
    for (std::size_t i = 0; i < still.size(); ++i)
        EXPECT_EQ(still[i].id, stages[i].id) << "it was started again";
    EXPECT_THAT(run.said(), Not(HasSubstr("hung")));
    ::kill(run.owner(), SIGINT);
    EXPECT_EQ(run.wait(), 130);
}

struct hang {
    const char* flow;
    int signal;  // see helpers/starving_stage.cpp
};

class stage_hangs : public test::flow_test, public testing::WithParamInterface<hang> {};

TEST_P(stage_hangs, is_found_and_named_with_the_option_that_allows_more) {
    const auto [flow, signal] = GetParam();
    chosen.flow = flow::value_of<&options::flow>(flow).value();
    chosen.detector = detector::blazeface;
    chosen.stage_restarts = 1000;
    chosen.stage_timeout = 0.3;
    ::setenv("FACEFLOW_STAGE", test::program("faceflow-stage-starving").c_str(), 1);
    std::atomic<bool> over{false};
    std::thread sender([&, number = signal] {
        // Once frames are in work.
        for (bool sent = false; !sent && !over;) {
            std::this_thread::sleep_for(1ms);
            if (handled < 4) continue;
            for (const auto& c : test::stage_processes()) {
                if (c.stage != "landmark" || !test::catches(c.id, SIGUSR2)) continue;
                sent = ::kill(c.id, number) == 0;
            }
        }
    });
    const auto m = run(8);
    over = true;
    sender.join();
    ::unsetenv("FACEFLOW_STAGE");
    std::size_t dropped = 0;
    for (const auto& [reason, n] : m.dropped)
        dropped += n;
    EXPECT_EQ(m.faces.size() + dropped, 8 * frames.size()) << "every frame has a result or a reason";
    EXPECT_TRUE(m.errors.empty());
    EXPECT_THAT(m.notes, testing::Contains(
                             testing::AllOf(HasSubstr("landmark"), HasSubstr("hung"), HasSubstr("--stage-timeout"))));
    EXPECT_TRUE(test::stage_processes().empty());
}

std::string name_of_hang(const testing::TestParamInfo<hang>& info) {
    return std::string(info.param.flow) + (info.param.signal == SIGUSR2 ? "_asleep" : "_computing");
}

INSTANTIATE_TEST_SUITE_P(flows, stage_hangs,
                         testing::Values(hang{"shared", SIGUSR2}, hang{"shared", SIGPROF}, hang{"cached", SIGUSR2},
                                         hang{"cached", SIGPROF}),
                         name_of_hang);

}  // namespace
}  // namespace faceflow::internal
