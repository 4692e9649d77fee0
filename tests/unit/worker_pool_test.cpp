// SPDX-License-Identifier: Apache-2.0
// Helpers share work, never more of them than there are processors, and nobody waits for one that does not come.
#include "core/worker_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "no_threads.hpp"

namespace faceflow::internal {
namespace {

using namespace std::chrono_literals;

// Counts who is in at once.
class crowd {
public:
    void enter() {
        const int now = ++inside_;
        for (int most = most_; now > most && !most_.compare_exchange_weak(most, now);) {
        }
    }
    void leave() { --inside_; }
    [[nodiscard]] int most() const { return most_; }
    // Until so many are in, or for a minute.
    void wait_for(int wanted) const {
        for (int i = 0; i < 60000 && inside_ < wanted; ++i)
            std::this_thread::sleep_for(1ms);
    }

private:
    std::atomic<int> inside_{0}, most_{0};
};

TEST(worker_pool, does_every_part_once_whatever_the_number_of_threads) {
    for (const std::int32_t threads : {0, 1, 2, 5}) {
        worker_pool pool(threads);
        for (const std::int32_t parts : {0, 1, 2, 7, 1000}) {
            std::vector<std::atomic<int>> done(static_cast<std::size_t>(parts));
            pool.for_each(parts, [&](std::int32_t i) { ++done[static_cast<std::size_t>(i)]; });
            EXPECT_TRUE(std::all_of(done.begin(), done.end(), [](const auto& n) { return n == 1; }))
                << threads << " threads, " << parts << " parts";
        }
    }
}

TEST(worker_pool, helpers_come_each_with_a_number_of_its_own) {
    worker_pool pool(3);
    crowd all;
    std::mutex mutex;
    std::set<std::int32_t> numbers;
    pool.together(3, [&](std::int32_t i) {
        all.enter();
        all.wait_for(3);
        const std::lock_guard lock(mutex);
        numbers.insert(i);
    });
    EXPECT_EQ(numbers, (std::set<std::int32_t>{0, 1, 2}));
}

TEST(worker_pool, asks_for_no_more_than_are_wanted) {
    worker_pool pool(4);
    crowd all;
    pool.together(2, [&](std::int32_t i) {
        EXPECT_LT(i, 2);
        all.enter();
        all.wait_for(2);
    });
    EXPECT_EQ(all.most(), 2);
}

TEST(worker_pool, callers_count_so_that_no_helper_comes_where_every_processor_has_one) {
    worker_pool pool(4);
    crowd callers;
    std::atomic<bool> over{false};
    std::vector<std::thread> others;
    for (int i = 0; i < 3; ++i) {
        others.emplace_back([&] {
            pool.together(1, [&](std::int32_t) {
                callers.enter();
                while (!over)
                    std::this_thread::sleep_for(1ms);
            });
        });
    }
    callers.wait_for(3);
    const auto self = std::this_thread::get_id();
    for (int round = 0; round < 20; ++round)
        pool.for_each(100, [&](std::int32_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
    over = true;
    for (auto& t : others)
        t.join();
    // And comes again once they are gone.
    crowd both;
    pool.together(2, [&](std::int32_t) {
        both.enter();
        both.wait_for(2);
    });
    EXPECT_EQ(both.most(), 2);
}

TEST(worker_pool, a_call_within_a_call_ends) {
    worker_pool pool(3);
    std::atomic<int> done{0};
    pool.for_each(8, [&](std::int32_t) { pool.for_each(8, [&](std::int32_t) { ++done; }); });
    EXPECT_EQ(done, 64);
}

TEST(worker_pool, many_callers_at_once_each_have_their_parts_done) {
    worker_pool pool(4);
    std::vector<std::thread> callers;
    for (int c = 0; c < 6; ++c) {
        callers.emplace_back([&pool] {
            for (int round = 0; round < 300; ++round) {
                std::vector<std::int32_t> squares(17, -1);
                pool.for_each(17, [&](std::int32_t i) { squares[static_cast<std::size_t>(i)] = i * i; });
                for (std::int32_t i = 0; i < 17; ++i)
                    ASSERT_EQ(squares[static_cast<std::size_t>(i)], i * i);
            }
        });
    }
    for (auto& t : callers)
        t.join();
}

TEST(worker_pool, the_caller_does_all_where_no_thread_can_be_had) {
    const no_threads limit;
    worker_pool pool(4);
    for (int round = 0; round < 3; ++round) {
        std::vector<std::int32_t> by;
        pool.together(4, [&](std::int32_t i) { by.push_back(i); });
        EXPECT_EQ(by, std::vector<std::int32_t>{0});
    }
}

TEST(worker_pool, makes_no_thread_where_none_can_help) {
    const auto self = std::this_thread::get_id();
    worker_pool one(1), many(4);
    one.for_each(100, [&](std::int32_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
    many.for_each(1, [&](std::int32_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
}

}  // namespace
}  // namespace faceflow::internal
