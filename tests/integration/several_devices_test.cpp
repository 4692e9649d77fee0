// SPDX-License-Identifier: Apache-2.0
// Several devices in one flow: each does its own work whatever the other does, by what gets through while one is held up.
#include <chrono>
#include <condition_variable>

#include "device/emulated/emulated_device.hpp"
#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "held_device.hpp"

namespace faceflow::internal {
namespace {

using test::farthest;
using test::same;

// Long enough for any machine; it passes as soon as what it waits for is there.
constexpr auto patience = std::chrono::seconds(120);

class several_devices : public test::flow_test, public testing::WithParamInterface<std::string> {
protected:
    static constexpr std::uint32_t sources = 4;  // of equal load: they take turns, so the even ones are on device 0

    void SetUp() override {
        test::flow_test::SetUp();
        chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
    }

    std::unique_ptr<face_engine> engine_on_held_devices(bool merged) {
        auto with = std::make_shared<runtime_context>();
        for (int i = 0; i < 2; ++i) {
            auto beneath = emulated_device::create(i, chosen.device_memory, *find_link(chosen.link));
            EXPECT_OK(beneath);
            with->devices.push_back(std::make_unique<test::held_device>(std::move(*beneath)));
        }
        auto made = face_engine::create({chosen,
                                         [this](const host_frame& f, const result<frame_faces>& r) { take(f, r); },
                                         merged,
                                         nullptr,
                                         {},
                                         with});
        EXPECT_OK(made);
        return made ? std::move(*made) : nullptr;
    }
    static test::held_device& device_of(const face_engine& e, std::size_t i) {
        return static_cast<test::held_device&>(*e.devices()[i]);
    }

    // All frames of all sources, from a thread each.
    void push_all(face_engine& e) {
        const auto load = flow::load_of(frames.front().picture.width, frames.front().picture.height, 30);
        for (std::uint32_t s = 0; s < sources; ++s)
            e.begin_source(s, load);
        for (std::uint32_t s = 0; s < sources; ++s) {
            cameras_.emplace_back([&e, s] {
                for (host_frame f : frames) {
                    f.id.source = s;
                    EXPECT_OK(e.submit(f));
                }
                e.end_source(s);
            });
        }
    }
    void finish(face_engine& e) {
        for (auto& c : cameras_)
            c.join();
        cameras_.clear();
        e.drain();
    }

    void take(const host_frame& f, const result<frame_faces>& r) {
        const std::lock_guard lock(mutex_);
        EXPECT_OK(r);
        if (r) found_.push_back(*r);
        ++results_of_[f.id.source];
        changed_.notify_all();
    }
    // Whether as many results of the source have come, now or within the patience.
    bool has(std::uint32_t source, std::size_t results) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return results_of_[source] >= results; });
    }
    std::size_t results_of(std::uint32_t source) {
        const std::lock_guard lock(mutex_);
        return results_of_[source];
    }
    std::size_t results() {
        const std::lock_guard lock(mutex_);
        return found_.size();
    }

    std::vector<frame_faces> found_;

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint32_t, std::size_t> results_of_;
    std::vector<std::thread> cameras_;
};

TEST_P(several_devices, a_blocked_one_costs_the_sources_of_the_other_no_results) {
    for (const std::size_t held : {0u, 1u}) {
        const auto e = engine_on_held_devices(false);
        ASSERT_NE(e, nullptr);
        device_of(*e, held).hold();
        std::vector<std::size_t> before;
        for (std::uint32_t s = 0; s < sources; ++s)
            before.push_back(results_of(s));
        push_all(*e);
        for (std::uint32_t s = 0; s < sources; ++s) {
            if (s % 2 == held) continue;
            EXPECT_TRUE(has(s, before[s] + frames.size())) << "source " << s;
        }
        for (std::uint32_t s = 0; s < sources; ++s) {
            if (s % 2 != held) continue;
            EXPECT_EQ(results_of(s), before[s]) << "it is held up";
        }
        device_of(*e, held).let_go();
        finish(*e);
        for (std::uint32_t s = 0; s < sources; ++s)
            EXPECT_EQ(results_of(s), before[s] + frames.size());
    }
}

// Results are in one order of all sources, so what the other can do ends where that order waits for the one that is held up: it has
// its share of the units in flight, which is two passes of each of its lanes in `fused`, and six frames in `threaded`.
TEST_P(several_devices, merged_a_blocked_one_lets_the_other_work_up_to_the_limit_in_flight) {
    chosen.tuning.lanes = 2;
    chosen.tuning.batch_frames = 1;
    const std::uint64_t share = GetParam() == "fused" ? 2 * 2 : 6;
    const auto usual = run(sources);
    for (const std::size_t held : {0u, 1u}) {
        found_.clear();
        const auto e = engine_on_held_devices(true);
        ASSERT_NE(e, nullptr);
        device_of(*e, held).hold();
        push_all(*e);
        // The first frame of all is device 0's: where that one is free, its result is handed on, and one more frame let in.
        const std::uint64_t expected = share + held;
        const auto up = [&] { return e->devices()[1 - held]->book().transfers(direction::host_to_device).count; };
        const auto till = std::chrono::steady_clock::now() + patience;
        while (up() < expected && std::chrono::steady_clock::now() < till)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(up(), expected);
        EXPECT_LE(results(), held);
        device_of(*e, held).let_go();
        finish(*e);
        EXPECT_TRUE(same(usual.faces, found_)) << "which device a source is on makes no difference";
    }
}

INSTANTIATE_TEST_SUITE_P(flows, several_devices, testing::Values("fused", "threaded"),
                         [](const auto& flow) { return flow.param; });

class several_devices_fused : public test::flow_test {};

// Two devices did half of what one does when a lane stopped at the first frame of the other's sources: every pass was of one frame.
// How full a pass is, is chance here; tests of the input queue have no chance in them.
TEST_F(several_devices_fused, go_through_several_frames_in_a_pass_as_one_alone_does) {
    chosen.tuning.lanes = 1;
    chosen.tuning.batch_frames = 4;
    const auto one = run(8);
    chosen.device = "emulated:2";
    const auto two = run(8);
    ASSERT_EQ(one.faces.size(), 8 * frames.size());
    EXPECT_LT(farthest(one.faces, two.faces), 1e-3f);
    EXPECT_LT(one.down.count, one.faces.size());
    EXPECT_LT(two.down.count, two.faces.size()) << "a download a pass";
}

}  // namespace
}  // namespace faceflow::internal
