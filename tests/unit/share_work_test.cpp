// SPDX-License-Identifier: Apache-2.0
// How many passes are in work side by side, and of how many frames, where nobody says.
#include <gtest/gtest.h>

#include "engine/engine.hpp"

namespace faceflow::internal {
namespace {

struct shares {
    std::int32_t lanes, frames;
    bool operator==(const shares&) const = default;
};

shares of(pacing p, bool on_host, std::size_t devices, std::size_t sources) {
    options o;
    o.pacing = p;
    o.threads = 8;
    share_work(o, on_host, devices, sources);
    return {o.tuning.lanes, o.tuning.batch_frames};
}

TEST(share_work, on_a_gpu_live_sources_get_two_lanes_and_passes_no_larger_than_they_fill) {
    const auto live = [](std::size_t sources, std::size_t devices = 1) {
        return of(pacing::live, false, devices, sources);
    };
    EXPECT_EQ(live(1), (shares{1, 1}));
    EXPECT_EQ(live(3), (shares{2, 2}));
    EXPECT_EQ(live(16), (shares{2, 8}));
    EXPECT_EQ(live(64), (shares{2, 16}));
    EXPECT_EQ(live(128), (shares{3, 16}));
    EXPECT_EQ(live(500), (shares{6, 16}));
    EXPECT_EQ(live(4, 2), (shares{2, 1}));
    EXPECT_EQ(live(1, 2), (shares{1, 1}));
}

TEST(share_work, on_a_gpu_recorded_and_unknown_sources_get_two_lanes_and_the_largest_passes) {
    EXPECT_EQ(of(pacing::recorded, false, 1, 1), (shares{2, 16}));
    EXPECT_EQ(of(pacing::recorded, false, 2, 9), (shares{2, 16}));
    EXPECT_EQ(of(pacing::live, false, 1, 0), (shares{2, 16}));
}

TEST(share_work, on_a_host_each_core_has_a_pass_while_there_are_sources) {
    EXPECT_EQ(of(pacing::recorded, true, 1, 1), (shares{1, 1}));
    EXPECT_EQ(of(pacing::recorded, true, 1, 3), (shares{3, 1}));
    EXPECT_EQ(of(pacing::recorded, true, 1, 0), (shares{8, 1})) << "how many are to come is not known";
    EXPECT_EQ(of(pacing::recorded, true, 3, 7), (shares{2, 1}));
    EXPECT_EQ(of(pacing::live, true, 1, 1), (shares{1, 1}));
    EXPECT_EQ(of(pacing::live, true, 1, 3), (shares{3, 1}));
    EXPECT_EQ(of(pacing::live, true, 1, 20), (shares{8, 1}));
    EXPECT_EQ(of(pacing::live, true, 2, 20), (shares{4, 1}));
    EXPECT_EQ(of(pacing::live, true, 1, 0), (shares{1, 1})) << "how many are to come is not known";
}

TEST(share_work, on_a_host_threads_without_a_source_take_more_of_its_frames_where_all_are_detected_in) {
    const auto always = [](pacing p, std::size_t devices, std::size_t sources) {
        options o;
        o.pacing = p;
        o.threads = 8;
        o.detect = detect_mode::always;
        share_work(o, true, devices, sources);
        return shares{o.tuning.lanes, o.tuning.batch_frames};
    };
    EXPECT_EQ(always(pacing::recorded, 1, 1), (shares{1, 8}));
    EXPECT_EQ(always(pacing::recorded, 1, 3), (shares{3, 8}));
    EXPECT_EQ(always(pacing::recorded, 2, 2), (shares{1, 8}));
    EXPECT_EQ(always(pacing::recorded, 1, 20), (shares{8, 1}));
    EXPECT_EQ(always(pacing::live, 1, 1), (shares{1, 1})) << "its newest frame is worth more";
}

TEST(share_work, pictures_have_a_pass_on_each_core) {
    options o;
    o.threads = 8;
    share_work(o, true, 1, 1, true);
    EXPECT_EQ(o.tuning.lanes, 8);
}

TEST(share_work, on_a_host_onnx_runtime_spreads_a_live_frame_over_all_cores_by_itself) {
    options o;
    o.pacing = pacing::live;
    o.inference = inference_backend::onnxruntime;
    o.threads = 8;
    share_work(o, true, 1, 20);
    EXPECT_EQ(o.tuning.lanes, 1);
}

TEST(share_work, leaves_what_was_chosen) {
    options o;
    o.tuning.lanes = 7;
    o.tuning.batch_frames = 9;
    share_work(o, false, 1, 64);
    EXPECT_EQ(o.tuning.lanes, 7);
    EXPECT_EQ(o.tuning.batch_frames, 9);
}

}  // namespace
}  // namespace faceflow::internal
