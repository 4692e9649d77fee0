// SPDX-License-Identifier: Apache-2.0
// What a device that fails for good costs: a run on it ends with one message; a stage process on it gives way to another.
#include <sys/wait.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "losing_device.hpp"
#include "stage_children.hpp"

namespace faceflow::internal {
namespace {

struct ended_run {
    int status = -1;
    std::string said;  // on standard error
    std::optional<nlohmann::json> summary;
};

class device_lost : public test::flow_test, public testing::WithParamInterface<std::string> {
protected:
    static ended_run run_losing(const std::string& flow, const char* pacing, int after) {
        const test::temporary_folder folder;
        // Live, the small clip is read before enough of its frames come to the device.
        const auto& clip = std::string_view(pacing) == "live" ? test::demo : test::quick_demo;
        const std::string command = "LOSE_AFTER=" + std::to_string(after) + " " + test::program("faceflow_losing") +
                                    " run " + flow + " " + pacing + " " + clip.string() + " " +
                                    (folder / "out").string() + " 2>" + (folder / "said").string();
        const int status = std::system(command.c_str());
        ended_run ended;
        if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
        ended.said = test::contents(folder / "said");
        if (const auto text = test::contents(folder / "out/summary.json"); !text.empty())
            ended.summary = nlohmann::json::parse(text);
        return ended;
    }
};

class lost_in_the_owner : public device_lost {};

TEST_P(lost_in_the_owner, ends_the_run_with_one_message_and_what_was_found_until_then) {
    // Live, most frames of a recording are overtaken: fewer get to the device.
    for (const auto& [pacing, after] : {std::pair{"recorded", 150}, {"live", 40}}) {
        const auto ended = run_losing(GetParam(), pacing, after);
        EXPECT_EQ(ended.status, 10) << pacing << ": " << ended.said;
        EXPECT_EQ(ended.said, std::string(test::losing_device::message) + "\n") << pacing;
        ASSERT_TRUE(ended.summary) << pacing;
        const auto done = (*ended.summary)["frames"].get<int>();
        EXPECT_GT(done, 0);
        EXPECT_LT(done, 300) << "of 600: it stopped taking frames";
        const auto failed = (*ended.summary)["errors"].value("device_lost", 0);
        EXPECT_GT(failed, 0);
        EXPECT_LT(failed, 50) << "those in work alone";
    }
}

TEST_P(lost_in_the_owner, says_so_too_when_not_one_frame_came_through) {
    const auto ended = run_losing(GetParam(), "recorded", 2);
    EXPECT_EQ(ended.status, 10) << ended.said;
    EXPECT_EQ(ended.said, std::string(test::losing_device::message) + "\n");
}

INSTANTIATE_TEST_SUITE_P(flows, lost_in_the_owner, testing::Values("fused", "threaded", "shared"),
                         [](const auto& flow) { return flow.param; });

class lost_in_a_stage : public device_lost {
protected:
    void SetUp() override {
        device_lost::SetUp();
        ::setenv("FACEFLOW_STAGE", test::program("faceflow_losing").c_str(), 1);
        ::setenv("LOSE_AFTER", "60", 1);
        chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
        chosen.stage_restarts = 1000;
        chosen.stage_timeout = 20;
    }
    void TearDown() override {
        ::unsetenv("FACEFLOW_STAGE");
        ::unsetenv("LOSE_AFTER");
    }
};

TEST_P(lost_in_a_stage, costs_the_frames_in_work_and_another_process_goes_on) {
    const auto m = run(4);
    const auto lost = m.dropped.find("stage_lost");
    ASSERT_NE(lost, m.dropped.end());
    EXPECT_EQ(m.faces.size() + lost->second, 4 * frames.size()) << "every frame has a result or a reason";
    EXPECT_GT(m.faces.size(), frames.size()) << "more than the first process of each stage could do";
    EXPECT_TRUE(m.errors.empty()) << m.errors.begin()->first << ": the owner's own device is well";
    EXPECT_TRUE(std::any_of(m.notes.begin(), m.notes.end(), [](const std::string& n) {
        return n.find(test::losing_device::message) != n.npos;
    })) << "the user is told why";
}

TEST_P(lost_in_a_stage, again_and_again_ends_the_flow_with_that_reason) {
    chosen.stage_restarts = 1;
    auto made = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}, true});
    ASSERT_OK(made);
    face_engine& e = **made;
    e.begin_source(0);
    std::uint64_t n = 0;
    while (e.health() && n < 10'000) {
        host_frame f = frames[n % frames.size()];
        f.id.sequence = n++;
        static_cast<void>(e.submit(f));
    }
    e.end_source(0);
    e.drain();
    ASSERT_FALSE(e.health());
    EXPECT_EQ(e.health().error().code, errc::unavailable);
    EXPECT_NE(e.health().error().message.find(test::losing_device::message), std::string::npos)
        << e.health().error().message;
}

INSTANTIATE_TEST_SUITE_P(flows, lost_in_a_stage, testing::Values("copied", "cached", "shared"),
                         [](const auto& flow) { return flow.param; });

}  // namespace
}  // namespace faceflow::internal
