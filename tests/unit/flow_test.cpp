// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "backends/open_devices.hpp"
#include "flow/io/input_queue.hpp"
#include "flow/io/reorder_buffer.hpp"
#include "flow/stages/device_resources.hpp"

namespace faceflow::internal::flow {
namespace {

host_frame frame_of(std::uint32_t source, std::uint64_t sequence) {
    host_frame f;
    f.id = {source, sequence};
    f.pts_ns = static_cast<std::int64_t>(sequence) * 1000 + source;
    return f;
}

struct own_routes {
    explicit own_routes(std::size_t devices) : routes(devices) {}
    source_routes routes;
};

struct routed_input_queue : own_routes, input_queue {
    explicit routed_input_queue(input_queue_options o, std::size_t devices = 1)
        : own_routes(devices),
          input_queue(std::move(o), routes) {}
};

std::vector<std::uint32_t> sources_of(const std::vector<queued_frame>& frames) {
    std::vector<std::uint32_t> sources;
    sources.reserve(frames.size());
    for (const queued_frame& f : frames)
        sources.push_back(f.frame.id.source);
    return sources;
}

// Several sources of equal loads with `each` frames of each.
void fill(input_queue& in, std::uint32_t sources, std::uint64_t each, bool still = false) {
    for (std::uint32_t s = 0; s < sources; ++s)
        in.begin_source(s, 1000);
    for (std::uint64_t i = 0; i < each; ++i) {
        for (std::uint32_t s = 0; s < sources; ++s) {
            host_frame f = frame_of(s, i);
            f.still = still;
            in.put(std::move(f));
        }
    }
}

TEST(input_queue, live_keeps_only_the_newest_frame_of_each_source) {
    routed_input_queue in({.pacing = pacing::live});
    EXPECT_EQ(in.put(frame_of(0, 0)), 0u);
    EXPECT_EQ(in.put(frame_of(1, 0)), 0u);
    EXPECT_EQ(in.put(frame_of(0, 1)), 1u);
    std::vector<frame_id> taken;
    for (int i = 0; i < 2; ++i)
        taken.push_back(in.take({0}).at(0).frame.id);
    std::sort(taken.begin(), taken.end());
    EXPECT_EQ(taken, (std::vector<frame_id>{{0, 1}, {1, 0}}));
}

TEST(input_queue, recorded_waits_for_room_and_keeps_everything) {
    routed_input_queue in({.frames_in_flight = 100});
    std::thread producer([&] {
        for (std::uint64_t i = 0; i < 50; ++i)
            in.put(frame_of(0, i));
        in.end_source(0);
    });
    for (std::uint64_t i = 0; i < 50; ++i) {
        const auto taken = in.take({0});
        ASSERT_EQ(taken.size(), 1u);
        EXPECT_EQ(taken.front().index, i);
        EXPECT_EQ(taken.front().frame.id.sequence, i);
    }
    producer.join();
}

TEST(input_queue, what_an_overtaken_frame_held_is_let_go_of_outside_of_its_lock) {
    routed_input_queue in({.pacing = pacing::live});
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

TEST(input_queue, merged_sources_come_in_the_order_of_time) {
    for (unsigned seed = 0; seed < 5; ++seed) {
        routed_input_queue in({.merged = true, .frames_in_flight = 100});
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
            const queued_frame next = in.take({0}).at(0);
            EXPECT_EQ(next.index, i);
            EXPECT_GT(next.frame.pts_ns, last);
            last = next.frame.pts_ns;
        }
        for (auto& p : producers)
            p.join();
    }
}

TEST(input_queue, a_live_batch_takes_one_frame_of_each_source_and_waits_no_longer_than_its_patience) {
    routed_input_queue in({.pacing = pacing::live, .frames_in_flight = 100});
    for (std::uint32_t s = 0; s < 3; ++s)
        in.put(frame_of(s, 0));
    auto all = in.take({0}, 8, std::chrono::hours(1));
    ASSERT_EQ(all.size(), 3u) << "every source is in it: there is nothing to wait for";
    in.put(frame_of(1, 1));
    const auto late = in.take({0}, 8, std::chrono::milliseconds(5));
    ASSERT_EQ(late.size(), 1u);
    EXPECT_EQ(late[0].frame.id.source, 1u);

    in.put(frame_of(0, 1));
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        in.put(frame_of(2, 1));
        in.end_source(1);
    });
    EXPECT_EQ(in.take({0}, 8, std::chrono::hours(1)).size(), 2u);
    other.join();
}

TEST(input_queue, a_pass_takes_one_frame_of_each_source_that_follows) {
    for (const bool merged : {false, true}) {
        routed_input_queue in({.merged = merged, .frames_in_flight = 100, .waiting_frames = 100});
        fill(in, 2, 3);
        in.end_source(0);
        in.end_source(1);
        for (std::uint64_t i = 0; i < 3; ++i) {
            const auto taken = in.take({0}, 8);
            ASSERT_EQ(sources_of(taken), (std::vector<std::uint32_t>{0, 1}));
            EXPECT_EQ(taken[0].frame.id.sequence, i);
            EXPECT_EQ(taken[1].frame.id.sequence, i);
        }
    }
}

TEST(input_queue, who_takes_consecutive_frames_gets_those_of_a_source_in_their_order) {
    for (const bool merged : {false, true}) {
        routed_input_queue in({.merged = merged, .frames_in_flight = 100, .waiting_frames = 100});
        fill(in, 2, 3);
        in.end_source(0);
        in.end_source(1);
        std::map<std::uint32_t, std::uint64_t> next;
        for (const std::size_t size : {4u, 2u}) {
            const auto taken = in.take({.device = 0, .consecutive = true}, 4);
            ASSERT_EQ(taken.size(), size);
            for (const queued_frame& q : taken)
                EXPECT_EQ(q.frame.id.sequence, next[q.frame.id.source]++);
        }
    }
}

TEST(input_queue, pictures_of_their_own_fill_a_pass_and_go_to_any_lane) {
    for (const bool merged : {false, true}) {
        routed_input_queue in({.merged = merged, .frames_in_flight = 100, .waiting_frames = 100});
        in.routes.share_among(3);
        for (std::uint64_t i = 0; i < 6; ++i) {
            host_frame f = frame_of(0, i);
            f.still = true;
            in.put(std::move(f));
        }
        EXPECT_EQ(in.take({0, 0}, 2).size(), 2u);
        EXPECT_EQ(in.take({0, 2}, 3).size(), 3u);
        EXPECT_EQ(in.take({0, 1}, 3).size(), 1u);
    }
}

TEST(input_queue, recorded_and_live_sources_keep_to_their_lanes) {
    for (const bool merged : {false, true}) {
        routed_input_queue in({.merged = merged, .frames_in_flight = 100, .waiting_frames = 100});
        in.routes.share_among(2);
        fill(in, 4, 2);
        for (std::uint32_t source = 0; source < 4; ++source)
            in.end_source(source);
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(sources_of(in.take({0, 1}, 8)), (std::vector<std::uint32_t>{1, 3}));
            EXPECT_EQ(sources_of(in.take({0, 0}, 8)), (std::vector<std::uint32_t>{0, 2}));
        }
    }
}

TEST(input_queue, bounds_what_is_taken_and_not_done) {
    routed_input_queue in({.frames_in_flight = 1});
    in.put(frame_of(0, 0));
    in.end_source(0);
    in.put(frame_of(1, 0));
    in.end_source(1);
    ASSERT_EQ(in.take({0}).size(), 1u);
    std::atomic<bool> taken{false};
    std::thread other([&] {
        in.take({0});
        taken = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(taken);
    in.done(0);
    other.join();
    EXPECT_TRUE(taken);
}

TEST(input_queue, a_merged_pass_is_filled_past_the_frames_of_another_device) {
    routed_input_queue in({.merged = true, .frames_in_flight = 16, .waiting_frames = 100}, 2);
    fill(in, 8, 3);
    const auto first = in.take({0}, 4), second = in.take({1}, 4), third = in.take({0}, 4);
    EXPECT_EQ(sources_of(first), (std::vector<std::uint32_t>{0, 2, 4, 6}));
    EXPECT_EQ(sources_of(second), (std::vector<std::uint32_t>{1, 3, 5, 7}));
    EXPECT_EQ(sources_of(third), (std::vector<std::uint32_t>{0, 2, 4, 6}));
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(first[i].index, 2 * i);
        EXPECT_EQ(second[i].index, 2 * i + 1);
        EXPECT_EQ(third[i].index, 8 + 2 * i);
    }
}

TEST(input_queue, merged_lanes_of_several_devices_take_everything_once_with_indices_in_the_order_of_time) {
    constexpr std::uint64_t frames = 60;
    for (unsigned seed = 0; seed < 10; ++seed) {
        routed_input_queue in({.merged = true, .frames_in_flight = 1 + seed % 4, .waiting_frames = 2 * (seed % 3)}, 3);
        std::mutex mutex;
        std::map<std::uint64_t, std::int64_t> times;  // by index
        std::vector<std::thread> threads;
        for (std::uint32_t s = 0; s < 7; ++s)
            in.begin_source(s, 100 + s);
        for (std::size_t lane = 0; lane < 6; ++lane) {
            threads.emplace_back([&, device = lane % 3] {
                for (auto taken = in.take({device}, 4); !taken.empty(); taken = in.take({device}, 4)) {
                    for (const queued_frame& u : taken) {
                        {
                            const std::lock_guard lock(mutex);
                            EXPECT_TRUE(times.emplace(u.index, u.frame.pts_ns).second);
                        }
                        EXPECT_EQ(u.device, device);
                        in.done(device);
                    }
                }
            });
        }
        std::vector<std::thread> cameras;
        for (std::uint32_t s = 0; s < 7; ++s) {
            cameras.emplace_back([&in, s, seed] {
                std::mt19937 random(seed * 10 + s);
                for (std::uint64_t i = 0; i < frames; ++i) {
                    if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
                    in.put(frame_of(s, i));
                }
                in.end_source(s);
            });
        }
        for (auto& c : cameras)
            c.join();
        in.wait_idle();
        in.close();
        for (auto& t : threads)
            t.join();
        ASSERT_EQ(times.size(), 7 * frames);
        EXPECT_EQ(times.rbegin()->first, 7 * frames - 1);
        EXPECT_TRUE(std::is_sorted(times.begin(), times.end(),
                                   [](const auto& a, const auto& b) { return a.second < b.second; }));
    }
}

TEST(input_queue, merged_a_device_that_is_held_up_leaves_the_other_its_share_of_what_is_in_flight) {
    for (const std::size_t held : {0u, 1u}) {
        routed_input_queue in({.merged = true, .frames_in_flight = 4, .waiting_frames = 100}, 2);
        fill(in, 2, 20, true);
        const std::size_t other = 1 - held;
        EXPECT_EQ(in.take({other}, 16).size(), 4u) << "of eight in order, every second one";
        EXPECT_EQ(in.take({held}, 16).size(), 4u);
        in.done(0);
        in.done(1);
        EXPECT_EQ(in.take({other}, 16).size(), 1u) << "as the oldest are done";
    }
}

TEST(input_queue, a_device_that_is_held_up_leaves_the_other_all_that_is_its_own) {
    for (const auto pace : {pacing::recorded, pacing::live}) {
        for (const std::size_t held : {0u, 1u}) {
            routed_input_queue in({.pacing = pace, .frames_in_flight = 2, .waiting_frames = 100}, 2);
            const std::size_t other = 1 - held;
            fill(in, 4, pace == pacing::live ? 1 : 12);
            EXPECT_EQ(in.take({held}, 16).size(), 2u) << "and nobody works on them";
            for (std::uint64_t i = 1; i <= 12; ++i) {
                const auto taken = in.take({other}, 2);
                ASSERT_EQ(taken.size(), 2u);
                for (const queued_frame& u : taken) {
                    EXPECT_EQ(u.device, other);
                    in.done(u.device);
                    if (pace == pacing::live) in.put(frame_of(u.frame.id.source, i));
                }
            }
        }
    }
}

TEST(input_queue, live_sources_keep_to_lanes_that_share_their_load) {
    routed_input_queue in({.pacing = pacing::live, .frames_in_flight = 100}, 2);
    in.routes.share_among(2);
    fill(in, 8, 1);
    EXPECT_EQ(sources_of(in.take({0, 0}, 8)), (std::vector<std::uint32_t>{0, 4}));
    EXPECT_EQ(sources_of(in.take({0, 1}, 8)), (std::vector<std::uint32_t>{2, 6}));
    EXPECT_EQ(sources_of(in.take({1, 0}, 8)), (std::vector<std::uint32_t>{1, 5}));
    EXPECT_EQ(sources_of(in.take({1, 1}, 8)), (std::vector<std::uint32_t>{3, 7}));
}

TEST(input_queue, a_source_goes_to_the_device_that_its_frames_lie_on) {
    routed_input_queue in({.frames_in_flight = 100,
                           .lies_on = [](const host_frame& f) -> std::optional<std::size_t> {
                               if (f.id.source == 7) return 1;
                               return std::nullopt;
                           }},
                          2);
    in.begin_source(3, 10);
    in.begin_source(4, 1000);
    in.begin_source(7, 10);  // to the first device, by its load
    in.put(frame_of(7, 0));
    EXPECT_EQ(sources_of(in.take({1})), (std::vector<std::uint32_t>{7}));
    EXPECT_EQ(in.routes.load(0), 10u);
    EXPECT_EQ(in.routes.load(1), 1010u);
}

TEST(input_queue, what_has_ended_makes_room_once_its_frames_are_taken_and_begins_anew_where_it_comes_back) {
    routed_input_queue in({.pacing = pacing::live, .frames_in_flight = 100}, 2);
    in.begin_source(0, 1000);
    in.begin_source(1, 10);
    for (std::uint64_t i = 0; i < 2; ++i) {
        in.put(frame_of(0, i));
        EXPECT_EQ(in.take({0}).at(0).frame.id.source, 0u);
    }
    in.put(frame_of(0, 2));
    in.end_source(0);
    EXPECT_EQ(in.routes.load(0), 1000u) << "its last frame waits";
    EXPECT_EQ(in.take({0}).at(0).frame.id.source, 0u);
    EXPECT_EQ(in.routes.load(0), 0u);
    in.begin_source(2, 500);
    EXPECT_EQ(in.routes.load(0), 500u);
    in.begin_source(0, 1000);
    in.put(frame_of(0, 3));
    EXPECT_EQ(sources_of(in.take({1})), (std::vector<std::uint32_t>{0}));
}

TEST(reorder_buffer, hands_outcomes_on_in_the_order_of_their_indices) {
    std::vector<std::uint64_t> seen;
    int done = 0;
    {
        reorder_buffer c([&](outcome&& o) { seen.push_back(o.frame.id.sequence); },
                         [&](std::size_t device) { done += device == 3 ? 1 : 0; },
                         [](const error& e) { ADD_FAILURE() << e.message; });
        ASSERT_TRUE(c.start());
        std::vector<std::uint64_t> indices(200);
        for (std::uint64_t i = 0; i < indices.size(); ++i)
            indices[i] = i;
        std::mt19937 random(3);
        std::shuffle(indices.begin(), indices.end(), random);
        std::vector<std::thread> lanes;
        for (std::size_t lane = 0; lane < 4; ++lane) {
            lanes.emplace_back([&, lane] {
                for (std::size_t i = lane; i < indices.size(); i += 4)
                    c.put(0, indices[i], 3, {frame_of(0, indices[i]), frame_faces{}});
            });
        }
        for (auto& l : lanes)
            l.join();
    }
    ASSERT_EQ(seen.size(), 200u);
    EXPECT_EQ(done, 200);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(face_capacity, where_kernels_are_host_functions_it_is_whole_goes) {
    const auto cpu = std::move(open_devices({"cpu", 1 << 20, "none"}).value().front());
    face_capacity room(*cpu, 8);
    EXPECT_EQ(room.faces(), 8);
    EXPECT_EQ(room.observe(9), 16);
    EXPECT_EQ(room.faces(), 16);
    EXPECT_EQ(room.observe(3), 8) << "what these take, whatever there is";
    for (int i = 0; i < 98; ++i)
        room.observe(3);
    EXPECT_EQ(room.faces(), 16);
    room.observe(3);
    EXPECT_EQ(room.faces(), 8) << "after a hundred passes";
}

TEST(face_capacity, on_a_gpu_it_is_the_smallest_batch_that_holds_the_faces) {
    face_capacity room(false, 64);
    EXPECT_EQ(room.faces(), 4) << "of a frame, while nothing is known";
    EXPECT_EQ(room.faces(16), 64);
    const std::pair<int, int> grown[] = {{17, 32}, {33, 64}, {65, 128}, {130, 192}};
    for (const auto& [count, faces] : grown) {
        room.observe(count);
        EXPECT_EQ(room.faces(), faces) << count;
    }
    for (int i = 0; i < 100; ++i)
        room.observe(i == 50 ? 3 : 0);
    EXPECT_EQ(room.faces(), 4) << "the most of the last hundred";
    for (int i = 0; i < 150; ++i)
        room.observe(i % 70 == 0 ? 4 : 1);
    EXPECT_EQ(room.faces(), 4);
}

TEST(face_capacity, is_that_of_passes_of_as_many_frames) {
    face_capacity room(false, 64);
    room.observe(1, 1);
    EXPECT_EQ(room.faces(1), 1);
    EXPECT_EQ(room.faces(4), 4) << "as many in each as the last pass had";
    room.observe(13, 4);
    EXPECT_EQ(room.faces(4), 16);
    EXPECT_EQ(room.faces(1), 1) << "what several frames need is not what one does";
    EXPECT_EQ(room.faces(16), 64);
}

}  // namespace
}  // namespace faceflow::internal::flow
