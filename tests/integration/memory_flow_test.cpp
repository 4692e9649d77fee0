// SPDX-License-Identifier: Apache-2.0
// How frames move: exact counts of transfers, bytes and host syncs in the in-process flows, and the same faces in all of them.
#include <gmock/gmock.h>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "vision/records.hpp"

namespace faceflow::internal {
namespace {

class memory_flow : public test::flow_test, public testing::WithParamInterface<std::string> {
protected:
    void SetUp() override {
        test::flow_test::SetUp();
        chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
        chosen.tuning.cache_ttl = 60;  // a slow machine has frames in work for longer than the usual half second
    }
};

using test::farthest;
using test::same;

TEST_P(memory_flow, a_frame_goes_up_once_and_only_results_come_down) {
    use_full_size();
    const auto m = run();
    ASSERT_EQ(m.faces.size(), frames.size());
    EXPECT_EQ(m.up.count, frames.size());
    EXPECT_EQ(m.up.bytes, frames.size() * frame_bytes());
    EXPECT_EQ(m.up.pinned_bytes, m.up.bytes);
    EXPECT_EQ(m.down.count, frames.size());
    EXPECT_EQ(m.down.bytes, frames.size() * vision::pass_results::bytes(1, 8));
    EXPECT_LE(m.down.bytes / frames.size(), 64u << 10);
    EXPECT_EQ(m.syncs, frames.size()) << "one host sync a frame";
    EXPECT_EQ(m.cache.hits, frames.size());
    EXPECT_EQ(m.cache.misses, 0u);
    EXPECT_LE(m.peak, m.limit);
    for (const auto& f : m.faces)
        EXPECT_EQ(f.faces.size(), 4u);
}

TEST_P(memory_flow, live_sources_of_equal_load_take_turns_over_devices_whatever_the_lanes) {
    chosen.pacing = pacing::live;
    chosen.device = "emulated:2";
    chosen.tuning.lanes = 2;
    std::atomic<std::size_t> found{0};
    auto made =
        face_engine::create({chosen, [&](const host_frame&, const result<frame_faces>& r) { found += r ? 1 : 0; }});
    ASSERT_OK(made);
    const auto up = [&](std::size_t device) {
        return (*made)->devices()[device]->book().transfers(direction::host_to_device).count;
    };
    for (const std::uint32_t source : {0u, 1u, 2u, 3u}) {
        host_frame f = frames.front();
        f.id.source = source;
        ASSERT_OK((*made)->submit(f));
        (*made)->drain();
        EXPECT_EQ(found, source + 1);
        EXPECT_EQ(up(0), source / 2 + 1);
        EXPECT_EQ(up(1), (source + 1) / 2);
    }
    // The first device has room when its sources end.
    (*made)->end_source(0);
    (*made)->end_source(2);
    for (const std::uint32_t source : {4u, 5u}) {
        host_frame f = frames.front();
        f.id.source = source;
        ASSERT_OK((*made)->submit(f));
    }
    (*made)->drain();
    EXPECT_EQ(up(0), 4u);
    EXPECT_EQ(up(1), 2u);
}

TEST_P(memory_flow, without_the_cache_the_region_stage_uploads_the_frame_again) {
    chosen.tuning.cache = false;
    const auto m = run();
    EXPECT_EQ(m.up.count, 2 * frames.size());
    EXPECT_EQ(m.up.bytes, 2 * frames.size() * frame_bytes());
    EXPECT_EQ(m.cache.hits + m.cache.misses, 0u);
}

TEST_P(memory_flow, frames_that_expired_are_misses_and_go_up_once_all_the_same) {
    const auto usual = run();
    chosen.tuning.cache_ttl = 0;
    const auto m = run();
    EXPECT_EQ(m.cache.hits, 0u);
    EXPECT_EQ(m.cache.misses, frames.size());
    EXPECT_EQ(m.up.count, frames.size()) << "the flow holds what it works on";
    EXPECT_EQ(m.up.bytes, frames.size() * frame_bytes());
    EXPECT_TRUE(same(usual.faces, m.faces));
}

TEST_P(memory_flow, a_short_time_to_live_costs_no_upload) {
    chosen.tuning.cache_ttl = 0.00005;
    const auto m = run();
    EXPECT_EQ(m.cache.hits + m.cache.misses, frames.size());
    EXPECT_EQ(m.up.count, frames.size());
}

TEST_P(memory_flow, without_pinned_staging_nothing_is_pinned_and_downloads_block) {
    chosen.tuning.pinned = false;
    const auto m = run();
    EXPECT_EQ(m.up.pinned_bytes + m.down.pinned_bytes, 0u);
    EXPECT_EQ(m.syncs, 2 * frames.size());
}

TEST_P(memory_flow, frames_that_pass_together_share_one_download_and_one_sync) {
    const auto alone = run(3);
    chosen.tuning.batch_frames = 4;
    const auto together = run(3);
    EXPECT_LT(farthest(alone.faces, together.faces), 1e-3f);
    EXPECT_EQ(together.up.count, 3 * frames.size());
    EXPECT_EQ(together.cache.hits, 3 * frames.size());
    EXPECT_EQ(together.syncs, together.down.count);
    if (GetParam() == "fused") {
        EXPECT_LT(together.syncs, alone.syncs);
    } else {
        EXPECT_EQ(together.syncs, alone.syncs);
    }
    chosen.detect_every = 3;
    EXPECT_LT(farthest(run(3).faces,
                       [&] {
                           chosen.tuning.batch_frames = 1;
                           return run(3).faces;
                       }()),
              1e-3f);
}

TEST_P(memory_flow, faces_meshed_one_by_one_are_those_of_a_batch_to_a_thousandth_of_a_pixel) {
    // Not to the bit: ONNX Runtime orders sums of a batch of four differently than those of one.
    const auto usual = run();
    chosen.tuning.batch = false;
    const auto alone = run();
    EXPECT_LT(farthest(usual.faces, alone.faces), 1e-3f);
}

TEST_P(memory_flow, every_switch_and_device_gives_the_same_bits) {
    const auto usual = run();
    ASSERT_EQ(usual.faces.size(), frames.size());
    for (bool tuning_options::*off : {&tuning_options::cache, &tuning_options::pinned}) {
        chosen.tuning.*off = false;
        EXPECT_TRUE(same(usual.faces, run().faces));
        chosen.tuning.*off = true;
    }
    chosen.link = "pcie3";
    EXPECT_TRUE(same(usual.faces, run().faces));
    chosen.device = "cpu";
    EXPECT_TRUE(same(usual.faces, run().faces));
    chosen.flow = GetParam() == "fused" ? flow_kind::threaded : flow_kind::fused;
    EXPECT_TRUE(same(usual.faces, run().faces)) << "the other flow";
}

TEST_P(memory_flow, skipped_detections_give_the_same_bits_in_both_flows_and_devices) {
    const flow_kind one = chosen.flow, other = GetParam() == "fused" ? flow_kind::threaded : flow_kind::fused;
    for (const int every : {4, 0}) {  // 0: when needed
        chosen.detect_every = every;
        chosen.device = "emulated";
        chosen.flow = one;
        const auto usual = run();
        ASSERT_EQ(usual.faces.size(), frames.size());
        chosen.device = "cpu";
        EXPECT_TRUE(same(usual.faces, run().faces));
        chosen.flow = other;
        EXPECT_TRUE(same(usual.faces, run().faces));
    }
}

TEST_P(memory_flow, sources_are_spread_over_several_devices_with_the_same_faces) {
    const auto one = run(3);
    chosen.device = "emulated:2";
    const auto two = run(3);
    EXPECT_TRUE(same(one.faces, two.faces));
    EXPECT_EQ(two.up.count, 3 * frames.size());
    EXPECT_EQ(two.syncs, 3 * frames.size());
}

TEST_P(memory_flow, moves_what_its_ledger_says_by_the_devices_own_count) {
    chosen.verify_ledger = true;
    chosen.device = "emulated:2";
    for (const bool everything : {true, false}) {
        chosen.tuning.cache = chosen.tuning.batch = chosen.tuning.pinned = everything;
        const auto m = run(2);
        ASSERT_TRUE(m.checked);
        EXPECT_THAT(m.checked->differences(), testing::IsEmpty());
        EXPECT_EQ(m.checked->ledger.up.count, m.up.count) << "nothing was moved before the first frame";
        EXPECT_EQ(m.checked->device.up.bytes, m.up.bytes);
    }
    chosen.device = "cpu";
    EXPECT_FALSE(run().checked) << "nothing crosses";
    chosen.verify_ledger = false;
    chosen.device = "emulated";
    EXPECT_FALSE(run().checked) << "nobody asked";
}

TEST_P(memory_flow, a_recorded_run_waits_for_room_and_keeps_every_frame) {
    use_full_size();
    chosen.tuning.batch_frames = 4;
    const auto roomy = run();
    chosen.device_memory = GetParam() == "fused" ? 52u << 20 : 40u << 20;
    ASSERT_GT(roomy.peak, chosen.device_memory) << "else this tests nothing";
    const auto m = run();
    EXPECT_TRUE(same(roomy.faces, m.faces)) << m.faces.size() << " of " << roomy.faces.size() << " frames";
    EXPECT_TRUE(m.dropped.empty());
    EXPECT_LE(m.peak, chosen.device_memory);
}

TEST_P(memory_flow, a_full_device_sheds_load_and_goes_on) {
    use_large_frames();
    // Room for the workspaces and hardly a frame more.
    const std::size_t room = run().peak;
    for (std::size_t cap = room - (4u << 20); cap > room / 2; cap -= 6u << 20) {
        chosen.device_memory = cap;
        options probe = chosen;
        auto made = face_engine::create({probe, [](const host_frame&, const result<frame_faces>&) {}, true});
        if (!made) {
            EXPECT_EQ(made.error().code, errc::out_of_memory);
            break;
        }
        made->reset();
        const auto m = run();
        const auto shed = m.dropped.contains("device_memory") ? m.dropped.at("device_memory") : 0;
        EXPECT_EQ(m.faces.size() + shed, frames.size()) << "every frame has a result or a reason";
        EXPECT_TRUE(m.errors.empty());
        EXPECT_LE(m.peak, cap);
    }
}

INSTANTIATE_TEST_SUITE_P(flows, memory_flow, testing::Values("fused", "threaded"),
                         [](const auto& flow) { return flow.param; });

}  // namespace
}  // namespace faceflow::internal
