// SPDX-License-Identifier: Apache-2.0
#include "analysis/plan.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/compare.hpp"
#include "device/emulated/link.hpp"
#include "flow/option_table.hpp"
#include "support.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::analysis {
namespace {

plan_result planned(const plan_request& r) {
    auto p = plan(r);
    EXPECT_OK(p);
    return p.value_or(plan_result{});
}

TEST(plan, one_upload_of_the_native_bytes_and_one_download_of_results_a_frame) {
    const auto p = planned({});
    EXPECT_EQ(p.host_to_device_per_frame, 1);
    EXPECT_EQ(p.host_to_device_bytes_per_frame, 3110400);
    EXPECT_EQ(p.device_to_host_per_frame, 1);
    EXPECT_EQ(p.device_to_host_bytes_per_frame, vision::pass_results::bytes(1, 8));
    EXPECT_LE(p.device_to_host_bytes_per_frame, 64 * 1024);
    EXPECT_EQ(p.syncs_per_frame, 1);
    EXPECT_EQ(p.cache_hit_rate, 1);
}

TEST(plan, without_the_cache_a_frame_goes_up_twice) {
    plan_request r;
    r.cache = false;
    const auto p = planned(r);
    EXPECT_EQ(p.host_to_device_per_frame, 2);
    EXPECT_EQ(p.host_to_device_bytes_per_frame, 2 * 3110400);
    EXPECT_EQ(p.cache_hit_rate, std::nullopt);
    EXPECT_EQ(p.device_to_host_per_frame, 1);
}

TEST(plan, pageable_memory_costs_a_sync_and_staging) {
    plan_request r;
    const double pinned_ms = planned(r).link_ms_per_frame;
    r.pinned = false;
    const auto p = planned(r);
    EXPECT_EQ(p.syncs_per_frame, 2);
    EXPECT_GT(p.link_ms_per_frame, 1.9 * pinned_ms);
    EXPECT_EQ(p.host_to_device_bytes_per_frame, 3110400);
}

TEST(plan, results_come_down_in_steps_of_eight_faces) {
    const auto down = [](std::int32_t faces) {
        plan_request r;
        r.faces = faces;
        return planned(r).device_to_host_bytes_per_frame;
    };
    EXPECT_EQ(down(0), down(8));
    EXPECT_EQ(down(9), vision::pass_results::bytes(1, 16));
    EXPECT_EQ(down(100), vision::pass_results::bytes(1, 104));
}

// The table of docs/memory-flow.md; tests/integration/plan_test.cpp holds plans to what is counted.
TEST(plan, knows_every_flow) {
    const struct {
        flow_kind flow;
        double up, up_bytes, down, down_bytes, syncs;
        std::optional<double> hits;
    } rows[] = {{flow_kind::copied, 7, 14221192, 9, 1803744, 9, std::nullopt},
                {flow_kind::cached, 3, 4889992, 2, 1803744, 2, 1},
                {flow_kind::shared, 1, 3110400, 1, 49072, 1, std::nullopt},
                {flow_kind::threaded, 1, 3110400, 1, 49072, 1, 1},
                {flow_kind::fused, 1, 3110400, 1, 49072, 1, 1}};
    EXPECT_EQ(std::size(rows), flow::row_of<&options::flow>().words.size());
    for (const auto& row : rows) {
        SCOPED_TRACE(name(row.flow));
        plan_request r;
        r.flow = row.flow;
        const auto p = planned(r);
        EXPECT_EQ(p.host_to_device_per_frame, row.up);
        EXPECT_EQ(p.host_to_device_bytes_per_frame, row.up_bytes);
        EXPECT_EQ(p.device_to_host_per_frame, row.down);
        EXPECT_EQ(p.device_to_host_bytes_per_frame, row.down_bytes);
        EXPECT_EQ(p.syncs_per_frame, row.syncs);
        EXPECT_EQ(p.cache_hit_rate, row.hits);
    }
}

TEST(plan, a_switch_that_a_flow_has_not_changes_nothing_and_that_is_said) {
    const struct {
        flow_kind flow;
        bool plan_request::*off;
        std::string said;
    } cases[] = {{flow_kind::copied, &plan_request::cache, "copied has no frame cache"},
                 {flow_kind::copied, &plan_request::batch, "copied has no batches"},
                 {flow_kind::copied, &plan_request::pinned, "copied has no pinned memory"},
                 {flow_kind::shared, &plan_request::cache, "shared has no frame cache"},
                 {flow_kind::shared, &plan_request::batch, "launches, and no transfer"},
                 {flow_kind::fused, &plan_request::batch, "launches, and no transfer"}};
    for (const auto& c : cases) {
        plan_request r;
        r.flow = c.flow;
        const auto on = planned(r);
        r.*c.off = false;
        const auto off = planned(r);
        EXPECT_EQ(on.link_ms_per_frame, off.link_ms_per_frame) << c.said;
        EXPECT_EQ(on.syncs_per_frame, off.syncs_per_frame) << c.said;
        EXPECT_EQ(on.device_memory_bytes, off.device_memory_bytes) << c.said;
        EXPECT_NE(render_plan(off).find(c.said), std::string::npos) << render_plan(off);
        EXPECT_EQ(render_plan(on).find(c.said), std::string::npos);
    }
    plan_request r;
    r.flow = flow_kind::copied;
    EXPECT_NE(render_plan(planned(r)).find("no cache, no batch, no pinned"), std::string::npos);
    r.flow = flow_kind::shared;
    EXPECT_NE(render_plan(planned(r)).find("no cache, batch on, pinned on"), std::string::npos);
}

TEST(plan, processes_divide_the_cap) {
    plan_request r;
    r.flow = flow_kind::shared;
    const auto p = planned(r);
    EXPECT_EQ(p.pool_limit_bytes, r.device_memory / 4);
    std::uint64_t sum = 0, largest = 0;
    for (const auto& pool : p.pools) {
        sum += pool.bytes();
        largest = std::max(largest, pool.bytes());
    }
    EXPECT_EQ(sum, p.device_memory_bytes);
    r.device_memory = 4 * largest;
    EXPECT_TRUE(planned(r).fits);
    r.device_memory = 4 * largest - 4;
    ASSERT_GT(r.device_memory, p.device_memory_bytes) << "else this tests nothing";
    EXPECT_FALSE(planned(r).fits) << "all together would fit, but one has more than its share";
}

TEST(plan, link_time_is_that_of_the_link_model) {
    const auto p = planned({});
    const auto link = find_link("pcie4");
    ASSERT_OK(link);
    const auto ns = link->engine_ns(true, 3110400) + link->engine_ns(false, vision::pass_results::bytes(1, 8));
    EXPECT_DOUBLE_EQ(p.link_ms_per_frame, static_cast<double>(ns) / 1e6);
    EXPECT_NEAR(p.link_busy_up, 30 * 136.6e-6, 1e-6);
}

TEST(plan, cameras_share_the_link) {
    plan_request r;
    r.link = "pcie3";
    r.cameras = 4;
    const auto four = planned(r);
    r.cameras = 1;
    const auto one = planned(r);
    EXPECT_DOUBLE_EQ(four.link_busy_up, 4 * one.link_busy_up);
    EXPECT_DOUBLE_EQ(four.link_busy_down, 4 * one.link_busy_down);
    EXPECT_EQ(four.link_ms_per_frame, one.link_ms_per_frame);
    EXPECT_EQ(four.cameras_the_link_carries, one.cameras_the_link_carries);
}

TEST(plan, as_many_cameras_as_it_says_keep_the_link_below_full) {
    plan_request r;
    r.width = 3840;
    r.height = 2160;
    r.fps = 60;
    const auto most = planned(r).cameras_the_link_carries;
    ASSERT_GT(most, 0);
    r.cameras = static_cast<std::int32_t>(most);
    EXPECT_LE(planned(r).link_busy_up, 1);
    EXPECT_TRUE(planned(r).notes.empty() || planned(r).notes.front().find("the link") == std::string::npos);
    ++r.cameras;
    const auto over = planned(r);
    EXPECT_GT(over.link_busy_up, 1);
    EXPECT_FALSE(over.notes.empty());
}

TEST(plan, a_link_that_takes_no_time_carries_any_number) {
    plan_request r;
    r.link = "none";
    const auto p = planned(r);
    EXPECT_EQ(p.link_ms_per_frame, 0);
    EXPECT_EQ(p.cameras_the_link_carries, -1);
    EXPECT_TRUE(nlohmann::json::parse(render_plan_json(p))["cameras_the_link_carries"].is_null());
}

TEST(plan, memory_holds_the_frames_of_the_caches_time_to_live) {
    plan_request r;
    const auto half_a_second = planned(r);
    EXPECT_GE(half_a_second.frame_memory_bytes, 16u * 3110400u);
    EXPECT_LT(half_a_second.frame_memory_bytes, 24u * 3110400u);
    r.cache_ttl = 0;
    EXPECT_EQ(planned(r).frame_memory_bytes, 4u * 3110400u);
    EXPECT_TRUE(half_a_second.fits);
}

TEST(plan, memory_for_cached_frames_ends_at_the_caches_cap) {
    plan_request r;
    r.cameras = 64;
    const auto p = planned(r);
    EXPECT_LT(p.frame_memory_bytes, 520'000'000u);
    EXPECT_FALSE(p.notes.empty());
}

TEST(plan, says_what_does_not_fit) {
    plan_request r;
    r.device_memory = 10u << 20;
    const auto p = planned(r);
    EXPECT_FALSE(p.fits);
    EXPECT_FALSE(p.notes.empty());
    EXPECT_NE(render_plan(p).find("does not fit"), std::string::npos);
}

TEST(plan, refuses_what_makes_no_sense_and_names_it) {
    const auto refused = [](auto change, const std::string& named) {
        plan_request r;
        change(r);
        const auto p = plan(r);
        ASSERT_FALSE(p) << named;
        EXPECT_EQ(p.error().code, errc::invalid_argument);
        EXPECT_NE(p.error().message.find(named), std::string::npos) << p.error().message;
    };
    refused([](plan_request& r) { r.cameras = 0; }, "cameras");
    refused([](plan_request& r) { r.width = 0; }, "frame");
    refused([](plan_request& r) { r.fps = 0; }, "fps");
    refused([](plan_request& r) { r.fps = std::numeric_limits<double>::quiet_NaN(); }, "fps");
    refused([](plan_request& r) { r.faces = 101; }, "faces");
    refused([](plan_request& r) { r.link = "pcie9"; }, "pcie9");
    refused([](plan_request& r) { r.detect_width = 641; }, "641");
    refused([](plan_request& r) { r.format = pixel_format::none; }, "format");
}

TEST(plan, knows_every_pixel_format_by_its_name) {
    for (const pixel_format f : test::every_format) {
        const auto found = find_pixel_format(name(f));
        ASSERT_OK(found);
        EXPECT_EQ(*found, f);
    }
    const auto wrong = find_pixel_format("i42");
    ASSERT_FALSE(wrong);
    EXPECT_NE(wrong.error().message.find("i420"), std::string::npos);
}

TEST(plan, text_and_json_show_the_same_figures) {
    plan_request r;
    r.cameras = 2;
    const auto p = planned(r);
    const auto text = render_plan(p);
    EXPECT_NE(text.find("2 cameras of 1920x1080 i420 at 30 fps, 4 faces a frame, flow fused, link pcie4"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("1 transfer of 3 110 400 bytes"), std::string::npos) << text;
    const auto j = nlohmann::json::parse(render_plan_json(p));
    EXPECT_EQ(j["host_to_device_bytes_per_frame"], 3110400);
    EXPECT_EQ(j["link_busy_fraction"]["host_to_device"], p.link_busy_up);
    EXPECT_EQ(j["device_memory_bytes"], p.device_memory_bytes);
    EXPECT_EQ(j["fits"], true);
    EXPECT_EQ(j["pools"][0]["bytes"], p.device_memory_bytes);
    EXPECT_EQ(j["first_frame_more"]["device_to_host"], 0);
}

frame_faces two_faces() {
    frame_faces f;
    f.faces.resize(2);
    f.faces[0].track = 1;
    f.faces[1].track = 2;
    f.faces[1].landmarks[3] = {10, 20, 0};
    return f;
}

TEST(difference, is_none_between_the_same_bits) {
    const auto d = difference_between(two_faces(), two_faces());
    EXPECT_TRUE(d.equal);
    EXPECT_EQ(d.largest_px, 0);
}

TEST(difference, is_the_largest_distance_of_a_landmark) {
    auto moved = two_faces();
    moved.faces[1].landmarks[3] = {13, 24, 0};
    moved.faces[0].landmarks[0].x = 1;
    const auto d = difference_between(two_faces(), moved);
    EXPECT_FALSE(d.equal);
    EXPECT_DOUBLE_EQ(d.largest_px, 5);
}

TEST(difference, counts_faces_within_a_pixel_of_the_models_input) {
    auto reference = two_faces();
    reference.faces[0].box =
        reference.faces[1].box = {0, 0, 256, 200};  // two pixels of the frame to one of the model's
    auto moved = reference;
    moved.faces[0].landmarks[0].x += 1.9f;
    moved.faces[1].landmarks[0].x += 2.1f;
    const auto d = difference_between(reference, moved);
    EXPECT_EQ(d.faces, 2u);
    EXPECT_EQ(d.close, 1u);
}

TEST(faces_of_converted_pixels, may_be_further_off_where_they_are_few_of_many_or_one_of_some) {
    const auto close = [](std::size_t faces, std::size_t of_them) {
        return enough_are_close({false, 5, faces, of_them});
    };
    EXPECT_TRUE(close(1000, 950));
    EXPECT_FALSE(close(1000, 949));
    EXPECT_TRUE(close(8, 7));
    EXPECT_FALSE(close(7, 6)) << "one of a handful says that something is wrong";
    EXPECT_FALSE(close(1, 0));
    EXPECT_FALSE(close(16, 14));
    EXPECT_TRUE(close(0, 0));
}

TEST(difference, sees_a_value_that_is_no_landmark) {
    auto other = two_faces();
    other.faces[0].pose.yaw = 1;
    const auto d = difference_between(two_faces(), other);
    EXPECT_FALSE(d.equal);
    EXPECT_EQ(d.largest_px, 0);
}

TEST(difference, is_infinite_between_different_faces) {
    auto fewer = two_faces(), swapped = two_faces(), broken = two_faces();
    fewer.faces.pop_back();
    swapped.faces[0].track = 9;
    broken.faces[0].landmarks[0].x = std::numeric_limits<float>::quiet_NaN();
    for (const auto& other : {fewer, swapped, broken}) {
        const auto d = difference_between(two_faces(), other);
        EXPECT_FALSE(d.equal);
        EXPECT_EQ(d.largest_px, std::numeric_limits<double>::infinity());
    }
}

TEST(percentiles, are_values_that_were_measured) {
    std::vector<double> all;
    for (int i = 100; i >= 1; --i)
        all.push_back(i);
    const auto p = percentiles_of(all);
    EXPECT_EQ(p.p50, 50);
    EXPECT_EQ(p.p95, 95);
    EXPECT_EQ(p.p99, 99);
    EXPECT_EQ(percentiles_of({7}).p99, 7);
    EXPECT_EQ(percentiles_of({}).p50, 0);
}

}  // namespace
}  // namespace faceflow::internal::analysis
