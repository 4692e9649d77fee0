// SPDX-License-Identifier: Apache-2.0
// The frame cache against a model that is slow and obvious, and under many threads.
#include "frame/frame_cache.hpp"

#include <atomic>
#include <map>
#include <thread>

#include "support.hpp"

namespace faceflow::internal {
namespace {

using namespace std::chrono_literals;
using time_point = frame_cache::time_point;

frame frame_of(std::uint32_t source, std::uint64_t sequence, std::int32_t width = 64,
               std::shared_ptr<const void> hold = nullptr) {
    frame f;
    f.id = {source, sequence};
    f.picture.format = pixel_format::nv12;
    f.picture.width = width;
    f.picture.height = 48;
    f.hold = std::move(hold);
    return f;
}

// As a frame store makes them.
frame stored(frame f) {
    f.stored = std::make_shared<const stored_frame>();
    f.hold = f.stored;
    return f;
}

// Time that stands still until told.
struct manual_clock {
    std::shared_ptr<std::atomic<std::int64_t>> ns = std::make_shared<std::atomic<std::int64_t>>(0);
    time_point operator()() const { return time_point(std::chrono::nanoseconds(*ns)); }
    void advance(std::chrono::nanoseconds by) const { *ns += by.count(); }
};

// The same promises, by looking at everything each time.
class model_cache {
public:
    model_cache(std::int64_t time_to_live, std::size_t cap) : time_to_live_(time_to_live), cap_(cap) {}

    std::optional<int> get(int key, std::int64_t now) {
        sweep(now);
        const auto at = entries_.find(key);
        if (at == entries_.end()) {
            ++counts.misses;
            return std::nullopt;
        }
        ++counts.hits;
        at->second.used = ++uses_;
        return at->second.value;
    }
    bool put(int key, int value, std::size_t bytes, std::int64_t now) {
        sweep(now);
        entries_.erase(key);
        if (bytes > cap_) {
            ++counts.refusals;
            return false;
        }
        evict_down_to(cap_ - bytes);
        entries_[key] = {value, bytes, now, ++uses_};
        return true;
    }
    std::size_t evict(std::size_t wanted) {
        const std::size_t before = bytes();
        evict_down_to(before - std::min(before, wanted));
        return before - bytes();
    }
    void erase(int key) { entries_.erase(key); }
    std::size_t sweep(std::int64_t now) {
        const std::size_t n =
            std::erase_if(entries_, [&](const auto& e) { return now - e.second.put >= time_to_live_; });
        counts.expirations += n;
        return n;
    }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const auto& [key, e] : entries_)
            sum += e.bytes;
        return sum;
    }
    std::size_t frames() const { return entries_.size(); }
    frame_cache_counts counts;

private:
    struct entry {
        int value;
        std::size_t bytes;
        std::int64_t put;
        std::uint64_t used;
    };
    void evict_down_to(std::size_t wanted) {
        while (bytes() > wanted) {
            entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
                return a.second.used < b.second.used;
            }));
            ++counts.evictions;
        }
    }
    const std::int64_t time_to_live_;
    const std::size_t cap_;
    std::uint64_t uses_ = 0;
    std::map<int, entry> entries_;
};

class frame_cache_model : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(seeds, frame_cache_model, testing::Range(0u, 60u));

TEST_P(frame_cache_model, agrees_with_the_obvious_one_on_every_answer_and_count) {
    constexpr std::int64_t time_to_live = 1000;
    constexpr std::size_t cap = 5000;
    const manual_clock clock;
    frame_cache cache({std::chrono::nanoseconds(time_to_live), cap, clock});
    model_cache model(time_to_live, cap);
    std::mt19937 random(GetParam());
    const auto frame_for = [](int key, std::shared_ptr<const void> hold) {
        return frame_of(static_cast<std::uint32_t>(key % 3), static_cast<std::uint64_t>(key / 6),
                        key / 3 % 2 == 0 ? 64 : 32, std::move(hold));
    };
    for (int step = 0; step < 3000; ++step) {
        const int key = static_cast<int>(random() % 40);
        const std::int64_t now = *clock.ns;
        switch (random() % 10) {
            case 0: clock.advance(std::chrono::nanoseconds(random() % 300)); break;
            case 1: ASSERT_EQ(cache.sweep(clock()), model.sweep(now)); break;
            case 2:
                cache.erase(key_of(frame_for(key, nullptr)));
                model.erase(key);
                break;
            case 3: {
                const std::size_t wanted = random() % 1500;
                ASSERT_EQ(cache.evict(wanted), model.evict(wanted));
                break;
            }
            case 4:
            case 5:
            case 6: {
                const std::size_t bytes = random() % 100 == 0 ? cap + 1 : random() % 1000;
                ASSERT_EQ(cache.put(frame_for(key, std::make_shared<int>(step)), bytes),
                          model.put(key, step, bytes, now));
                break;
            }
            default: {
                const auto got = cache.get(key_of(frame_for(key, nullptr)));
                const auto expected = model.get(key, now);
                ASSERT_EQ(got.has_value(), expected.has_value());
                if (got) {
                    ASSERT_EQ(*static_cast<const int*>(got->hold.get()), *expected);
                }
            }
        }
        const auto counts = cache.counts();
        ASSERT_EQ(counts.hits, model.counts.hits);
        ASSERT_EQ(counts.misses, model.counts.misses);
        ASSERT_EQ(counts.evictions, model.counts.evictions);
        ASSERT_EQ(counts.expirations, model.counts.expirations);
        ASSERT_EQ(counts.refusals, model.counts.refusals);
        ASSERT_EQ(counts.bytes, model.bytes());
        ASSERT_EQ(counts.frames, model.frames());
        ASSERT_LE(counts.peak_bytes, cap);
    }
}

TEST(frame_cache, frames_that_somebody_holds_do_not_give_way) {
    frame_cache cache;
    const frame held = stored(frame_of(0, 1));
    cache.put(held, 100);
    cache.put(stored(frame_of(0, 2)), 100);
    cache.put(stored(frame_of(0, 3)), 100);
    EXPECT_EQ(cache.evict(1), 100u) << "the least recently used of those that nobody holds";
    EXPECT_FALSE(cache.get(key_of(frame_of(0, 2))));
    EXPECT_EQ(cache.evict(1000), 100u);
    EXPECT_EQ(cache.counts().frames, 1u);
    EXPECT_TRUE(cache.get(key_of(held)));
}

TEST(frame_cache, keeps_geometries_of_one_frame_apart) {
    frame_cache cache;
    cache.put(frame_of(0, 1, 64), 10);
    EXPECT_TRUE(cache.get({{0, 1}, 64, 48, pixel_format::nv12}));
    EXPECT_FALSE(cache.get({{0, 1}, 32, 48, pixel_format::nv12}));
    EXPECT_FALSE(cache.get({{0, 1}, 64, 48, pixel_format::i420}));
    EXPECT_FALSE(cache.get({{1, 1}, 64, 48, pixel_format::nv12}));
}

TEST(frame_cache, lets_a_frame_go_half_a_second_after_put_even_when_it_is_used) {
    const manual_clock clock;
    frame_cache_options chosen;
    chosen.clock = clock;
    frame_cache cache(chosen);
    const auto hold = std::make_shared<int>(1);
    cache.put(frame_of(0, 1, 64, hold), 10);
    clock.advance(499ms);
    EXPECT_TRUE(cache.get(key_of(frame_of(0, 1))));
    EXPECT_EQ(hold.use_count(), 2);
    clock.advance(1ms);
    EXPECT_EQ(cache.sweep(), 1u);
    EXPECT_EQ(hold.use_count(), 1);
    EXPECT_EQ(cache.counts().bytes, 0u);
}

TEST(frame_cache, clear_lets_everything_go) {
    frame_cache cache;
    const auto hold = std::make_shared<int>(1);
    for (std::uint64_t i = 0; i < 10; ++i)
        cache.put(frame_of(0, i, 64, hold), 10);
    cache.clear();
    EXPECT_EQ(hold.use_count(), 1);
    EXPECT_EQ(cache.counts().frames, 0u);
    cache.put(frame_of(0, 1, 64, hold), 10);
    EXPECT_TRUE(cache.get(key_of(frame_of(0, 1))));
}

TEST(frame_cache, destroys_frames_outside_its_lock) {
    frame_cache cache({1s, 100, std::chrono::steady_clock::now});
    // Going, the first frame asks the cache for its counts: under the lock that would be a deadlock.
    std::shared_ptr<const void> asks(new int, [&cache](const int* p) {
        EXPECT_EQ(cache.counts().evictions, 1u);
        delete p;
    });
    cache.put(frame_of(0, 1, 64, std::move(asks)), 100);
    cache.put(frame_of(0, 2), 100);
}

TEST(cache_sweeper, clears_expired_frames_without_traffic) {
    frame_cache cache({1ms, 1000, std::chrono::steady_clock::now});
    cache.put(frame_of(0, 1), 10);
    const cache_sweeper sweeper(cache, 1ms);
    for (int i = 0; i < 5000 && cache.counts().frames > 0; ++i)
        std::this_thread::sleep_for(1ms);
    EXPECT_EQ(cache.counts().expirations, 1u);
}

TEST(frame_cache, many_threads_get_the_frame_that_they_asked_for_and_no_hold_is_lost) {
    constexpr int threads = 6, steps = 4000;
    const auto holds = std::make_shared<std::atomic<int>>(0);
    std::atomic<int> wrong{0};
    std::atomic<std::uint64_t> gets{0};
    {
        frame_cache cache({200us, 3000, std::chrono::steady_clock::now});
        const cache_sweeper sweeper(cache, 100us);
        std::vector<std::thread> running;
        for (int t = 0; t < threads; ++t) {
            running.emplace_back([&, t] {
                std::mt19937 random(static_cast<std::uint32_t>(t));
                for (int i = 0; i < steps; ++i) {
                    const std::uint64_t sequence = random() % 50;
                    if (random() % 3 == 0) {
                        ++*holds;
                        std::shared_ptr<const void> hold(new std::uint64_t(sequence), [holds](const std::uint64_t* p) {
                            --*holds;
                            delete p;
                        });
                        cache.put(frame_of(0, sequence, 64, std::move(hold)), 100);
                    } else if (random() % 50 == 0) {
                        cache.evict(500);
                    } else {
                        ++gets;
                        const auto got = cache.get(key_of(frame_of(0, sequence)));
                        if (got && *static_cast<const std::uint64_t*>(got->hold.get()) != sequence) ++wrong;
                    }
                }
            });
        }
        for (auto& t : running)
            t.join();
        const auto counts = cache.counts();
        EXPECT_EQ(counts.hits + counts.misses, gets);
        EXPECT_LE(counts.peak_bytes, 3000u);
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(*holds, 0);
}

}  // namespace
}  // namespace faceflow::internal
