// SPDX-License-Identifier: Apache-2.0
// Flows of several processes on a CUDA device: the CPU's faces, what crosses, and a run that goes on when a process dies.
#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "stage_children.hpp"

namespace faceflow::internal {
namespace {

using test::stage_processes;
using testing::IsEmpty;

class cuda_process_flow : public test::flow_test, public testing::WithParamInterface<std::string> {
protected:
    static constexpr const char* on = "cuda";

    void SetUp() override {
        test::flow_test::SetUp();
        if (IsSkipped()) return;
        if (const auto usable = test::check_cuda(); !usable) GTEST_SKIP() << usable.error().message;
        use_full_size();
        chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
        chosen.device = on;
        chosen.threads = 4;
        chosen.stage_timeout = 60;  // a process's first work on a device is slow, and no hang
    }
};

TEST_P(cuda_process_flow, finds_the_faces_of_the_cpu) {
    for (const int every : {1, 4}) {
        chosen.device = on;
        chosen.detect_every = every;
        const auto m = run();
        EXPECT_THAT(m.errors, IsEmpty());
        EXPECT_THAT(m.dropped, IsEmpty());
        ASSERT_EQ(m.faces.size(), frames.size());
        chosen.device = "cpu";
        const auto cpu = run();
        const auto d = test::mesh_distance_between(cpu.faces, m.faces);
        if (every == 1) {
            EXPECT_LE(d.mean, 0.02);
            // Where pixels were converted, one face of few may be found by another anchor with the same score.
            if (GetParam() == "copied") {
                EXPECT_LE(d.far, 1u);
                EXPECT_LE(d.most, 2);
            } else {
                EXPECT_LE(d.most, 0.2);
            }
        } else {  // what differs in a frame is carried into the next
            EXPECT_LE(d.most, 1);
        }
    }
}

TEST_P(cuda_process_flow, moves_exactly_what_its_design_says) {
    const auto m = run();
    ASSERT_EQ(m.faces.size(), frames.size());
    EXPECT_EQ(m.inference, inference_backend::native);
    EXPECT_THAT(m.errors, IsEmpty());
    test::expect_moves_of(GetParam(), m, frames.size());
}

TEST_P(cuda_process_flow, a_killed_process_costs_the_frames_in_work_and_nothing_else) {
    constexpr std::size_t rounds = 4;
    std::atomic<std::size_t> found{0};
    std::atomic<bool> told{false};
    auto made = face_engine::create({chosen,
                                     [&](const host_frame&, const result<frame_faces>& r) {
                                         if (r) ++found;
                                     },
                                     true, nullptr, [&](const std::string&) { told = true; }});
    ASSERT_OK(made);
    face_engine& e = **made;
    e.begin_source(0);
    std::size_t at_death = 0, submitted = 0;
    for (std::size_t round = 0; round < rounds; ++round) {
        for (host_frame f : frames) {
            f.id.sequence = submitted++;
            ASSERT_OK(e.submit(f));
            if (at_death > 0 || found == 0) continue;
            for (const auto& c : stage_processes()) {
                if (c.stage == "landmark") {
                    ASSERT_EQ(::kill(c.id, SIGKILL), 0);
                }
            }
            at_death = found;
        }
    }
    e.end_source(0);
    e.drain();
    ASSERT_GT(at_death, 0u) << "no process was killed";
    const auto dropped = e.counters().dropped.snapshot();
    const auto lost = dropped.contains("stage_lost") ? dropped.at("stage_lost") : 0;
    EXPECT_EQ(found + lost, submitted) << "every frame has a result or a reason";
    EXPECT_LT(lost, frames.size());
    EXPECT_GT(found, at_death) << "another process goes on";
    EXPECT_THAT(e.counters().errors.snapshot(), IsEmpty());
    EXPECT_OK(e.health());
    EXPECT_TRUE(told) << "the user is told";
    made->reset();
    EXPECT_TRUE(stage_processes().empty()) << "a process, or a zombie, was left behind";
}

INSTANTIATE_TEST_SUITE_P(flows, cuda_process_flow, testing::Values("copied", "cached", "shared"),
                         [](const auto& flow) { return flow.param; });

}  // namespace
}  // namespace faceflow::internal
