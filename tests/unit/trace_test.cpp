// SPDX-License-Identifier: Apache-2.0
#include "telemetry/trace.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "support.hpp"

namespace faceflow::internal {
namespace {

using nlohmann::json;
using std::chrono::microseconds;

class trace_file : public testing::Test {
protected:
    json written(const trace& t) {
        const auto path = folder_ / "trace.json";
        const auto r = t.write(path);
        EXPECT_OK(r);
        return json::parse(test::contents(path));
    }
    static std::vector<json> of(const json& file, const std::string& phase) {
        std::vector<json> found;
        for (const auto& e : file["traceEvents"]) {
            if (e["ph"] == phase) found.push_back(e);
        }
        return found;
    }
    // Row names by thread id.
    static std::map<int, std::string> names(const json& file) {
        std::map<int, std::string> found;
        for (const auto& e : of(file, "M")) {
            if (e["name"] == "thread_name") found[e["tid"]] = e["args"]["name"];
        }
        return found;
    }
    static trace::crossing crossing_of(trace::row from, trace::row to, trace::time_point at) {
        trace::crossing c;
        c.bytes = 3110400;
        c.pinned = true;
        c.stage = "capture";
        c.frame = {1, 42};
        c.enqueued = at;
        c.begin = at + microseconds(10);
        c.end = at + microseconds(140);
        c.from = from;
        c.to = to;
        return c;
    }
    test::temporary_folder folder_;
    const trace::time_point now_ = trace::clock::now();
};

TEST_F(trace_file, is_whole_json_even_when_nothing_was_recorded) {
    const json file = written(trace());
    EXPECT_TRUE(file["traceEvents"].is_array());
    EXPECT_EQ(file["otherData"]["recorded_events"], 0);
    EXPECT_EQ(file["otherData"]["dropped_events"], 0);
}

TEST_F(trace_file, shows_a_span_with_its_time_row_and_frame) {
    trace t;
    t.span(t.row_of("detect"), "letterbox", now_, now_ + microseconds(250), {2, 7});
    const json file = written(t);
    const auto slices = of(file, "X");
    ASSERT_EQ(slices.size(), 1u);
    EXPECT_EQ(slices[0]["name"], "letterbox");
    EXPECT_DOUBLE_EQ(slices[0]["dur"].get<double>(), 250);
    EXPECT_EQ(slices[0]["args"], (json{{"source", 2}, {"sequence", 7}}));
    EXPECT_EQ(names(file).at(slices[0]["tid"]), "detect");
}

TEST_F(trace_file, gives_out_what_it_recorded_once_and_has_room_for_as_much_again) {
    trace t(2);
    const auto row = t.row_of("detect");
    for (int round = 0; round < 3; ++round) {
        t.span(row, "second", now_ + microseconds(5), now_ + microseconds(6), {0, 2});
        t.span(row, "first", now_, now_ + microseconds(1), {0, 1});
        const auto events = t.take();
        ASSERT_EQ(events.size(), 2u) << round;
        EXPECT_EQ(events[0].name, "first");
        EXPECT_EQ(events[1].begin, now_ + microseconds(5));
        EXPECT_EQ(events[1].frame.sequence, 2u);
        EXPECT_TRUE(t.take().empty());
    }
    EXPECT_EQ(t.recorded(), 0u);
    EXPECT_EQ(t.dropped(), 0u);
    for (int i = 0; i < 3; ++i)
        t.span(row, "more than it holds", now_, now_, {});
    EXPECT_EQ(t.take().size(), 2u);
    EXPECT_EQ(t.dropped(), 1u);
}

TEST_F(trace_file, shows_an_instant_on_its_row) {
    trace t;
    t.instant(t.row_of("capture"), "dropped", now_, {0, 3});
    const auto instants = of(written(t), "i");
    ASSERT_EQ(instants.size(), 1u);
    EXPECT_EQ(instants[0]["name"], "dropped");
    EXPECT_EQ(instants[0]["args"]["sequence"], 3);
}

TEST_F(trace_file, orders_rows_by_sort_index_and_then_by_their_making) {
    trace t;
    const auto stream = t.row_of("stream \"0\"", 10), capture = t.row_of("capture", 1), detect = t.row_of("detect", 1);
    EXPECT_EQ(t.row_of("capture"), capture);
    EXPECT_NE(stream, detect);
    const json file = written(t);
    std::map<int, std::string> by_place;
    for (const auto& e : of(file, "M")) {
        if (e["name"] == "thread_sort_index") by_place[e["args"]["sort_index"]] = names(file).at(e["tid"]);
    }
    EXPECT_EQ(by_place, (std::map<int, std::string>{{0, "capture"}, {1, "detect"}, {2, "stream \"0\""}}));
}

TEST_F(trace_file, draws_a_transfer_as_a_slice_and_an_arrow_from_who_asked_for_it) {
    trace t;
    const auto lane = t.row_of("lane 0"), up = t.row_of("host to device");
    t.transfer(crossing_of(lane, up, now_));
    auto down = crossing_of(lane, t.row_of("device to host"), now_ + microseconds(500));
    down.up = false;
    down.pinned = false;
    t.transfer(down);
    const json file = written(t);

    const auto starts = of(file, "s"), ends = of(file, "f");
    ASSERT_EQ(starts.size(), 2u);
    ASSERT_EQ(ends.size(), 2u);
    std::set<int> ids;
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(starts[i]["id"], ends[i]["id"]);
        EXPECT_EQ(starts[i]["cat"], ends[i]["cat"]);
        EXPECT_EQ(starts[i]["name"], ends[i]["name"]);
        EXPECT_EQ(names(file).at(starts[i]["tid"]), "lane 0");
        EXPECT_NEAR(ends[i]["ts"].get<double>() - starts[i]["ts"].get<double>(), 10, 0.01);
        ids.insert(starts[i]["id"].get<int>());
    }
    EXPECT_EQ(ids.size(), 2u);
    EXPECT_EQ(names(file).at(ends[0]["tid"]), "host to device");
    EXPECT_EQ(names(file).at(ends[1]["tid"]), "device to host");
    for (const auto& e : of(file, "X")) {
        if (e["name"] != "upload") continue;
        EXPECT_EQ(e["args"], (json{{"source", 1},
                                   {"sequence", 42},
                                   {"bytes", 3110400},
                                   {"direction", "host_to_device"},
                                   {"memory", "pinned"},
                                   {"stage", "capture"}}));
        EXPECT_NEAR(e["dur"].get<double>(), 130, 0.01);
    }
}

// Viewers drop an arrow that does not start and end within a slice of its row.
TEST_F(trace_file, arrows_start_and_end_within_slices) {
    trace t;
    t.transfer(crossing_of(t.row_of("lane 0"), t.row_of("host to device"), now_));
    const json file = written(t);
    for (const char* phase : {"s", "f"}) {
        for (const auto& arrow : of(file, phase)) {
            const double at = arrow["ts"];
            bool held = false;
            for (const auto& s : of(file, "X")) {
                held = held || (s["tid"] == arrow["tid"] && s["ts"].get<double>() <= at &&
                                at < s["ts"].get<double>() + s["dur"].get<double>());
            }
            EXPECT_TRUE(held) << arrow;
        }
    }
}

TEST_F(trace_file, says_how_many_events_the_cap_left_out) {
    trace t(3);
    const auto row = t.row_of("detect");
    for (int i = 0; i < 10; ++i)
        t.span(row, "pass", now_ + microseconds(i), now_ + microseconds(i + 1), {0, static_cast<std::uint64_t>(i)});
    EXPECT_EQ(t.recorded(), 3u);
    EXPECT_EQ(t.dropped(), 7u);
    const json file = written(t);
    EXPECT_EQ(of(file, "X").size(), 3u);
    EXPECT_EQ(file["otherData"]["dropped_events"], 7);
    EXPECT_EQ(file["otherData"]["most_events"], 3);
}

TEST_F(trace_file, has_every_event_of_threads_that_record_at_once_in_the_order_of_time) {
    constexpr int threads = 8, each = 2000;
    trace t;
    std::vector<std::thread> recorders;
    for (int n = 0; n < threads; ++n) {
        recorders.emplace_back([&, n] {
            const auto row = t.row_of("thread " + std::to_string(n)), up = t.row_of("host to device");
            for (int i = 0; i < each; ++i) {
                const auto at = now_ + microseconds(i);
                t.span(row, "pass", at, at + microseconds(1),
                       {static_cast<std::uint32_t>(n), static_cast<std::uint64_t>(i)});
                if (i % 100 == 0) t.transfer(crossing_of(row, up, at));
            }
        });
    }
    const json early = written(t);  // beside the recording
    EXPECT_TRUE(early["traceEvents"].is_array());
    for (auto& r : recorders)
        r.join();

    const json file = written(t);
    EXPECT_EQ(file["otherData"]["recorded_events"], threads * (each + each / 100));
    EXPECT_EQ(names(file).size(), threads + 1u);
    std::set<std::pair<int, int>> seen;
    double last = -1e18;
    for (const auto& e : of(file, "X")) {
        if (e["name"] != "pass") continue;
        seen.emplace(e["args"]["source"], e["args"]["sequence"]);
        EXPECT_GE(e["ts"].get<double>(), last);
        last = e["ts"];
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(threads * each));
}

TEST_F(trace_file, that_cannot_be_written_is_an_error) {
    const auto r = trace().write(folder_ / "none" / "trace.json");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::io);
}

}  // namespace
}  // namespace faceflow::internal
