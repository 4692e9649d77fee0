// SPDX-License-Identifier: Apache-2.0
// Flows of several processes: the same faces as in one, exact counts, and runs that go on when processes die.
#include <dirent.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "frame/layout.hpp"
#include "ipc/child_process.hpp"
#include "stage_children.hpp"
#include "vision/records.hpp"

namespace faceflow::internal {
namespace {

using test::child;
using test::farthest;
using test::same;
using test::stage_processes;

std::size_t open_descriptors() {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator("/proc/self/fd"))
        ++n;
    return n;
}

class process_flow : public test::flow_test, public testing::WithParamInterface<std::string> {
protected:
    void SetUp() override {
        test::flow_test::SetUp();
        chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
        chosen.stage_restarts = 1000;
        chosen.stage_timeout = 20;  // a sanitizer's slowness is no hang
    }
    test::measured run_fused() {
        options o = chosen;
        chosen.flow = flow_kind::fused;
        auto m = run();
        chosen = o;
        return m;
    }

    // Sends `signal` to a stage process, round and round, while frames are in work; SIGUSR1, which is for a handler, once it is there.
    test::measured run_with(int signal, std::chrono::milliseconds every, int times) {
        std::atomic<bool> over{false};
        std::thread killer([&] {
            for (int i = 0; i < times && !over;) {
                std::this_thread::sleep_for(every);
                const auto all = stage_processes();
                if (all.empty()) continue;
                const pid_t chosen_one = all[static_cast<std::size_t>(i) % all.size()].id;
                if (signal == SIGUSR1 && !test::catches(chosen_one, signal)) continue;
                ::kill(chosen_one, signal);
                ++i;
            }
        });
        auto m = run(4);
        over = true;
        killer.join();
        return m;
    }

    static std::size_t lost_of(const test::measured& m) {
        const auto at = m.dropped.find("stage_lost");
        return at == m.dropped.end() ? 0 : at->second;
    }
};

TEST_P(process_flow, gives_the_faces_of_the_fused_flow) {
    for (const char* device : {"cpu", "emulated"}) {
        for (const int every : {1, 4, 0}) {  // 0: when needed
            chosen.device = device;
            chosen.detect_every = every;
            const auto one = run_fused();
            const auto several = run();
            ASSERT_EQ(several.faces.size(), frames.size()) << device;
            EXPECT_TRUE(several.errors.empty());
            if (GetParam() != "copied") {
                EXPECT_TRUE(same(one.faces, several.faces)) << device << ", detections in every " << every;
                continue;
            }
            // Through 8-bit BGR: the same tracks, and landmarks within a pixel of the model's 192, but for a face that the
            // detector itself sees otherwise (two anchors of nearly the same score).
            std::size_t faces = 0, apart = 0;
            for (std::size_t i = 0; i < one.faces.size(); ++i) {
                ASSERT_EQ(one.faces[i].faces.size(), several.faces[i].faces.size());
                for (std::size_t k = 0; k < one.faces[i].faces.size(); ++k) {
                    const face &a = one.faces[i].faces[k], &b = several.faces[i].faces[k];
                    EXPECT_EQ(a.track, b.track);
                    const float scale = 192 / (1.5f * std::max(a.box.width, a.box.height));
                    float most = 0;
                    for (std::size_t l = 0; l < landmark_count; ++l) {
                        most = std::max({most, std::abs(a.landmarks[l].x - b.landmarks[l].x) * scale,
                                         std::abs(a.landmarks[l].y - b.landmarks[l].y) * scale});
                    }
                    ++faces;
                    if (most > 1) ++apart;
                    EXPECT_LT(most, 4);
                }
            }
            EXPECT_LE(apart, faces / 20) << "of " << faces;
        }
    }
}

TEST_P(process_flow, waits_for_room_in_its_pools_and_keeps_every_frame) {
    if (GetParam() == "copied") GTEST_SKIP() << "its pools hold one frame at a time";
    use_full_size();
    const auto roomy = run();
    chosen.device_memory = GetParam() == "shared" ? 100u << 20 : 120u << 20;
    const auto m = run();
    EXPECT_TRUE(same(roomy.faces, m.faces)) << m.faces.size() << " of " << roomy.faces.size() << " frames";
    EXPECT_TRUE(m.dropped.empty());
}

TEST_P(process_flow, moves_exactly_what_its_design_says) {
    use_full_size();
    const auto m = run();
    ASSERT_EQ(m.faces.size(), frames.size());
    test::expect_moves_of(GetParam(), m, frames.size());
}

TEST_P(process_flow, moves_what_its_ledger_says_by_the_count_of_every_process_device) {
    chosen.verify_ledger = true;
    for (const bool everything : {true, false}) {
        chosen.tuning.cache = chosen.tuning.batch = chosen.tuning.pinned = everything;
        const auto m = run();
        ASSERT_TRUE(m.checked);
        EXPECT_THAT(m.checked->differences(), testing::IsEmpty());
        EXPECT_EQ(m.checked->ledger.up.count, m.up.count) << "nothing was moved before the first frame";
        EXPECT_GT(m.checked->device.syncs, 0u);
    }
}

// A picture of sixteen faces: the frame four times, at half the size.
host_frame crowd(const host_frame& from, std::vector<std::uint8_t>& pixels) {
    const image& p = from.picture;
    host_frame f = from;
    pixels.resize(native_bytes(p.format, p.width, p.height));
    f.picture = packed_at(p, reinterpret_cast<const std::byte*>(pixels.data()));
    for (int i = 0; i < plane_count(p.format); ++i) {
        const auto extent = extent_of(p.format, p.width, p.height, i);
        const plane& source = p.planes[static_cast<std::size_t>(i)];
        auto* to = const_cast<std::uint8_t*>(f.picture.planes[static_cast<std::size_t>(i)].data);
        for (std::int32_t y = 0; y < extent.rows; ++y) {
            for (std::size_t x = 0; x < extent.row_bytes; ++x) {
                const std::int32_t sy = 2 * y % extent.rows;
                to[static_cast<std::size_t>(y) * extent.row_bytes + x] =
                    source.data[sy * source.stride + static_cast<std::ptrdiff_t>(2 * x % extent.row_bytes)];
            }
        }
    }
    return f;
}

TEST_P(process_flow, more_faces_than_go_together_come_in_several_goes) {
    if (frames.front().picture.format != pixel_format::i420) GTEST_SKIP() << "the clip is not I420";
    const auto usual = frames;
    std::vector<std::vector<std::uint8_t>> memory(6);
    frames.resize(6);
    for (std::size_t i = 0; i < frames.size(); ++i)
        frames[i] = crowd(frames[i], memory[i]);
    const auto one = run_fused();
    const auto several = run();
    frames = usual;
    ASSERT_EQ(several.faces.size(), 6u);
    EXPECT_GT(several.faces[3].faces.size(), 8u);
    if (GetParam() == "copied") {
        EXPECT_EQ(one.faces[3].faces.size(), several.faces[3].faces.size());
    } else if (GetParam() == "shared") {
        EXPECT_TRUE(same(one.faces, several.faces));
    } else {
        EXPECT_LT(farthest(one.faces, several.faces), 1e-3f);
    }
}

TEST_P(process_flow, sources_are_spread_over_several_devices) {
    const auto one = run(3);
    chosen.device = "emulated:2";
    const auto two = run(3);
    EXPECT_TRUE(same(one.faces, two.faces));
}

TEST_P(process_flow, killed_processes_cost_the_frames_in_work_and_nothing_else) {
    static_cast<void>(run());  // libraries open some of their own the first time
    const std::size_t before = open_descriptors();
    const auto m = run_with(SIGKILL, std::chrono::milliseconds(150), 12);
    EXPECT_EQ(m.faces.size() + lost_of(m), 4 * frames.size()) << "every frame has a result or a reason";
    EXPECT_TRUE(m.errors.empty()) << m.errors.begin()->first;
    EXPECT_FALSE(m.notes.empty()) << "the user is told";
    EXPECT_LT(lost_of(m), 2 * frames.size());
    EXPECT_TRUE(stage_processes().empty()) << "a process, or a zombie, was left behind";
    EXPECT_EQ(open_descriptors(), before);
}

TEST_P(process_flow, an_abort_in_a_stage_is_survived) {
    const auto m = run_with(SIGABRT, std::chrono::milliseconds(200), 3);
    EXPECT_EQ(m.faces.size() + lost_of(m), 4 * frames.size());
    EXPECT_TRUE(m.errors.empty());
    EXPECT_TRUE(stage_processes().empty());
}

TEST_P(process_flow, a_stage_process_that_runs_out_of_memory_is_started_again) {
    ::setenv("FACEFLOW_STAGE", test::program("faceflow-stage-starving").c_str(), 1);
    const auto m = run_with(SIGUSR1, std::chrono::milliseconds(300), 3);
    ::unsetenv("FACEFLOW_STAGE");
    std::size_t dropped = 0;
    for (const auto& [reason, n] : m.dropped)
        dropped += n;
    EXPECT_EQ(m.faces.size() + dropped, 4 * frames.size()) << "every frame has a result or a reason";
    EXPECT_GT(m.faces.size(), frames.size());
    EXPECT_TRUE(m.errors.empty()) << m.errors.begin()->first;
    // An exception that nobody catches; a sanitizer's own allocator ends the process by itself.
    EXPECT_TRUE(std::any_of(m.notes.begin(), m.notes.end(),
                            [](const std::string& n) {
                                return n.find("SIGABRT") != std::string::npos ||
                                       n.find("exit status") != std::string::npos;
                            }))
        << "nobody ran out of memory: " << testing::PrintToString(m.notes);
    EXPECT_TRUE(stage_processes().empty());
}

TEST_P(process_flow, a_process_that_hangs_is_ended_and_started_again) {
    chosen.stage_timeout = 1;
    const auto m = run_with(SIGSTOP, std::chrono::milliseconds(300), 2);
    EXPECT_EQ(m.faces.size() + lost_of(m), 4 * frames.size());
    EXPECT_TRUE(m.errors.empty());
    EXPECT_TRUE(std::any_of(m.notes.begin(), m.notes.end(),
                            [](const std::string& n) { return n.find("hung") != std::string::npos; }));
    EXPECT_TRUE(stage_processes().empty());
}

TEST_P(process_flow, a_process_that_dies_again_and_again_ends_the_flow_with_a_reason) {
    chosen.stage_restarts = 2;
    std::atomic<int> refused{0};
    auto made = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}, true});
    ASSERT_OK(made);
    face_engine& e = **made;
    e.begin_source(0);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::uint64_t n = 0;
    while (e.health() && std::chrono::steady_clock::now() < deadline) {
        host_frame f = frames[n % frames.size()];
        f.id.sequence = n++;
        if (!e.submit(f)) ++refused;
        for (const auto& c : stage_processes())
            if (c.stage == "landmark") ::kill(c.id, SIGKILL);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ASSERT_FALSE(e.health());
    EXPECT_EQ(e.health().error().code, errc::unavailable);
    EXPECT_NE(e.health().error().message.find("landmark"), std::string::npos) << e.health().error().message;
    EXPECT_NE(e.health().error().message.find("SIGKILL"), std::string::npos) << e.health().error().message;
    EXPECT_FALSE(e.submit(frames.front()));
    e.end_source(0);
    e.drain();
}

TEST_P(process_flow, nothing_is_left_when_the_owner_is_killed) {
    const test::temporary_folder out;
    const std::vector<std::string> arguments{"run",      test::demo.string(), "--flow",          GetParam(),
                                             "--device", "emulated",          "--no-video",      "--quiet",
                                             "--out",    out.path().string(), "--stage-timeout", "20"};
    auto owner_process = ipc::child_process::spawn(test::program("faceflow"), arguments, {});
    ASSERT_OK(owner_process);
    const pid_t owner = owner_process->id();
    std::vector<child> stages;
    for (int i = 0; i < 600 && stages.size() < (GetParam() == "cached" ? 2u : 3u); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        stages = stage_processes(owner);
    }
    EXPECT_GE(stages.size(), 2u);
    owner_process->kill();
    const auto ended = owner_process->wait_for(std::chrono::steady_clock::now() + std::chrono::seconds(30));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->how, ipc::process_exit::way::signal) << "the owner ended by itself: " << ended->in_words();
    bool gone = false;
    for (int i = 0; i < 200 && !gone; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        gone = std::all_of(stages.begin(), stages.end(), [](const child& c) {
            const std::string stat = test::contents("/proc/" + std::to_string(c.id) + "/stat");
            return stat.empty() || stat.find(") Z ") != std::string::npos;  // the machine's init may be slow to reap
        });
    }
    EXPECT_TRUE(gone);
}

INSTANTIATE_TEST_SUITE_P(flows, process_flow, testing::Values("copied", "cached", "shared"),
                         [](const auto& flow) { return flow.param; });

}  // namespace
}  // namespace faceflow::internal
