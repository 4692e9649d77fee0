#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "device/open_devices.hpp"
#include "flow/collector.hpp"
#include "flow/device_line.hpp"
#include "flow/intake.hpp"

namespace faceflow::flow {
namespace {

host_frame frame_of(std::uint32_t source, std::uint64_t sequence) {
    host_frame f;
    f.id = {source, sequence};
    f.pts_ns = static_cast<std::int64_t>(sequence) * 1000 + source;
    return f;
}

TEST(intake, live_keeps_only_the_newest_frame_of_each_source) {
    intake in({.pacing = pacing::live});
    EXPECT_EQ(in.put(frame_of(0, 0)), 0u);
    EXPECT_EQ(in.put(frame_of(1, 0)), 0u);
    EXPECT_EQ(in.put(frame_of(0, 1)), 1u);
    std::vector<frame_id> taken;
    for (int i = 0; i < 2; ++i)
        taken.push_back(in.take(0, 1).at(0).frames.front().id);
    std::sort(taken.begin(), taken.end());
    EXPECT_EQ(taken, (std::vector<frame_id>{{0, 1}, {1, 0}}));
}

TEST(intake, recorded_waits_for_room_and_keeps_everything) {
    intake in({.unit_frames = 1, .units_in_flight = 100});
    std::thread producer([&] {
        for (std::uint64_t i = 0; i < 50; ++i)
            in.put(frame_of(0, i));
        in.end_source(0);
    });
    for (std::uint64_t i = 0; i < 50; ++i) {
        const auto units = in.take(0, 2);
        ASSERT_EQ(units.size(), 1u);
        const work_unit* unit = &units.front();
        EXPECT_EQ(unit->ticket, i);
        EXPECT_EQ(unit->frames.front().id.sequence, i);
    }
    producer.join();
}

TEST(intake, skipped_detections_travel_with_the_detection_before_them) {
    intake in({.unit_frames = 3, .detect_every = 3, .units_in_flight = 100});
    for (std::uint64_t i = 0; i < 4; ++i)
        in.put(frame_of(0, i));
    const work_unit first = in.take(0, 1).at(0);
    EXPECT_EQ(first.frames.size(), 3u);
    EXPECT_TRUE(first.detect_first);
    in.end_source(0);
    EXPECT_EQ(in.take(0, 1).at(0).frames.size(), 1u);
}

TEST(intake, after_a_unit_that_was_cut_short_the_next_begins_with_a_detection) {
    intake in({.unit_frames = 5, .detect_every = 5, .units_in_flight = 100});
    for (std::uint64_t i = 0; i < 3; ++i)
        in.put(frame_of(0, i));
    std::thread waiter([&] { in.wait_idle(); });
    EXPECT_EQ(in.take(0, 1).at(0).frames.size(), 3u);
    in.done();
    waiter.join();
    for (std::uint64_t i = 3; i < 8; ++i)
        in.put(frame_of(0, i));
    const work_unit next = in.take(0, 1).at(0);
    EXPECT_EQ(next.frames.size(), 5u);
    EXPECT_TRUE(next.detect_first);
}

TEST(intake, in_a_hurry_what_waits_goes_and_what_comes_later_waits_for_its_unit) {
    intake in({.unit_frames = 3, .detect_every = 3, .units_in_flight = 100});
    for (std::uint64_t i = 0; i < 4; ++i)
        in.put(frame_of(0, i));
    in.hurry();
    EXPECT_EQ(in.take(0, 1).at(0).frames.size(), 3u);
    in.hurry();  // nothing: results come anyway
    in.done();
    in.hurry();
    EXPECT_EQ(in.take(0, 1).at(0).frames.size(), 1u);
    in.put(frame_of(0, 4));
    in.put(frame_of(0, 5));
    in.hurry();  // nothing, again
    std::atomic<bool> taken{false};
    std::thread lane([&] {
        EXPECT_EQ(in.take(0, 1).at(0).frames.size(), 3u);
        taken = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(taken);
    in.put(frame_of(0, 6));
    lane.join();
}

TEST(intake, what_an_overtaken_frame_held_is_let_go_of_outside_of_its_lock) {
    intake in({.pacing = pacing::live});
    host_frame first = frame_of(0, 0);
    bool gone = false;
    first.owner = std::shared_ptr<const void>(&in, [&](const void*) {
        in.end_source(7);  // would wait for the lock for ever
        gone = true;
    });
    in.put(std::move(first));
    EXPECT_EQ(in.put(frame_of(0, 1)), 1u);
    EXPECT_TRUE(gone);
}

TEST(intake, merged_sources_come_in_the_order_of_time) {
    for (unsigned seed = 0; seed < 5; ++seed) {
        intake in({.unit_frames = 1, .merged = true, .units_in_flight = 100});
        for (std::uint32_t s = 0; s < 3; ++s)
            in.begin_source(s);
        std::vector<std::thread> producers;
        for (std::uint32_t s = 0; s < 3; ++s) {
            producers.emplace_back([&in, s, seed] {
                std::mt19937 random(seed * 10 + s);
                for (std::uint64_t i = 0; i < 20; ++i) {
                    std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
                    in.put(frame_of(s, i));
                }
                in.end_source(s);
            });
        }
        std::int64_t last = -1;
        for (std::uint64_t i = 0; i < 60; ++i) {
            const work_unit unit = in.take(0, 1).at(0);
            EXPECT_EQ(unit.ticket, i);
            EXPECT_GT(unit.frames.front().pts_ns, last);
            last = unit.frames.front().pts_ns;
        }
        for (auto& p : producers)
            p.join();
    }
}

TEST(intake, a_live_batch_takes_one_frame_of_each_source_and_waits_no_longer_than_its_patience) {
    intake in({.pacing = pacing::live, .units_in_flight = 100});
    for (std::uint32_t s = 0; s < 3; ++s)
        in.put(frame_of(s, 0));
    auto all = in.take(0, 1, 8, std::chrono::hours(1));
    ASSERT_EQ(all.size(), 3u) << "every source is in it: there is nothing to wait for";
    in.put(frame_of(1, 1));
    const auto late = in.take(0, 1, 8, std::chrono::milliseconds(5));
    ASSERT_EQ(late.size(), 1u);
    EXPECT_EQ(late[0].source, 1u);

    in.put(frame_of(0, 1));
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        in.put(frame_of(2, 1));
        in.end_source(1);
    });
    EXPECT_EQ(in.take(0, 1, 8, std::chrono::hours(1)).size(), 2u);
    other.join();
}

TEST(intake, a_recorded_batch_takes_what_is_there) {
    intake in({.unit_frames = 2, .detect_every = 2, .units_in_flight = 100});
    for (std::uint64_t i = 0; i < 4; ++i)
        in.put(frame_of(0, i));
    const auto units = in.take(0, 1, 8);
    ASSERT_EQ(units.size(), 2u);
    EXPECT_EQ(units[0].frames.front().id.sequence, 0u);
    EXPECT_EQ(units[1].frames.front().id.sequence, 2u);
    EXPECT_EQ(units[1].ticket, 1u);
}

TEST(intake, bounds_what_is_taken_and_not_done) {
    intake in({.unit_frames = 8, .units_in_flight = 1});
    in.put(frame_of(0, 0));
    in.end_source(0);
    in.put(frame_of(1, 0));
    in.end_source(1);
    ASSERT_EQ(in.take(0, 2).size(), 1u);
    std::atomic<bool> taken{false};
    std::thread other([&] {
        in.take(1, 2);
        taken = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(taken);
    in.done();
    other.join();
    EXPECT_TRUE(taken);
}

TEST(collector, hands_outcomes_on_in_the_order_of_their_tickets) {
    std::vector<std::uint64_t> seen;
    int units = 0;
    {
        collector c([&](outcome&& o) { seen.push_back(o.frame.id.sequence); }, [&] { ++units; },
                    [](const error& e) { ADD_FAILURE() << e.message; });
        ASSERT_TRUE(c.start());
        std::vector<std::uint64_t> tickets(200);
        for (std::uint64_t i = 0; i < tickets.size(); ++i)
            tickets[i] = i;
        std::mt19937 random(3);
        std::shuffle(tickets.begin(), tickets.end(), random);
        std::vector<std::thread> lanes;
        for (std::size_t lane = 0; lane < 4; ++lane) {
            lanes.emplace_back([&, lane] {
                for (std::size_t i = lane; i < tickets.size(); i += 4) {
                    std::vector<outcome> o;
                    o.push_back({frame_of(0, tickets[i]), frame_faces{}});
                    c.put(0, tickets[i], std::move(o));
                }
            });
        }
        for (auto& l : lanes)
            l.join();
    }
    ASSERT_EQ(seen.size(), 200u);
    EXPECT_EQ(units, 200);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(face_room, where_kernels_are_host_functions_it_is_whole_goes) {
    const auto cpu = std::move(open_devices({"cpu", 1 << 20, "none"}).value().front());
    face_room room(*cpu, 8);
    EXPECT_EQ(room.faces(), 8);
    EXPECT_EQ(room.saw(9), 16);
    EXPECT_EQ(room.faces(), 16);
    EXPECT_EQ(room.saw(3), 8) << "what these take, whatever there is";
    for (int i = 0; i < 98; ++i)
        room.saw(3);
    EXPECT_EQ(room.faces(), 16);
    room.saw(3);
    EXPECT_EQ(room.faces(), 8) << "after a hundred passes";
}

TEST(face_room, on_a_gpu_it_is_the_smallest_batch_that_holds_the_faces) {
    face_room room(false, 64);
    EXPECT_EQ(room.faces(), 4) << "of a frame, while nothing is known";
    EXPECT_EQ(room.faces(16), 64);
    const std::pair<int, int> grown[] = {{17, 32}, {33, 64}, {65, 128}, {130, 192}};
    for (const auto& [count, faces] : grown) {
        room.saw(count);
        EXPECT_EQ(room.faces(), faces) << count;
    }
    for (int i = 0; i < 100; ++i)
        room.saw(i == 50 ? 3 : 0);
    EXPECT_EQ(room.faces(), 4) << "the most of the last hundred";
    for (int i = 0; i < 150; ++i)
        room.saw(i % 70 == 0 ? 4 : 1);
    EXPECT_EQ(room.faces(), 4);
}

TEST(face_room, is_that_of_passes_of_as_many_frames) {
    face_room room(false, 64);
    room.saw(1, 1);
    EXPECT_EQ(room.faces(1), 1);
    EXPECT_EQ(room.faces(4), 4) << "as many in each as the last pass had";
    room.saw(13, 4);
    EXPECT_EQ(room.faces(4), 16);
    EXPECT_EQ(room.faces(1), 1) << "what several frames need is not what one does";
    EXPECT_EQ(room.faces(16), 64);
}

}  // namespace
}  // namespace faceflow::flow
