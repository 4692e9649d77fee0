// SPDX-License-Identifier: Apache-2.0
// What is built on every device: slabs, leases and staging rings, and all of it under many threads.
#include <atomic>
#include <chrono>
#include <thread>

#include "device/slab.hpp"
#include "device/staging.hpp"
#include "devices.hpp"
#include "frame/lease.hpp"

namespace faceflow::internal {
namespace {

using test::gate;
using test::no_tasks;
using namespace std::chrono_literals;

class storage_conformance : public test::device_conformance {};
INSTANTIATE_TEST_SUITE_P(every, storage_conformance, testing::ValuesIn(test::every_device()),
                         [](const auto& chosen) { return chosen.param.label; });

TEST_P(storage_conformance, a_slot_is_reused_only_after_the_device_has_passed_its_use) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    if (!asynchronous()) GTEST_SKIP() << "work is done at once";
    const auto s = new_stream(), other = new_stream();
    auto store = slab::create(on(), 1000, 1).value();
    auto taken = lease::acquire(store).value();
    const slot first = taken.where();
    gate g;
    s->run(g.task());
    taken.used_on(*s);
    taken.used_on(*other);
    taken.reset();
    ASSERT_OK(finish(*other));
    const auto early = lease::acquire(store);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, errc::out_of_memory);
    EXPECT_FALSE(store->idle());
    EXPECT_FALSE(store->current(first.index, first.generation)) << "the use is over though the device is not done";
    EXPECT_EQ(syncs(), 1u) << "only this test's own";

    g.open();
    ASSERT_OK(finish(*s));
    EXPECT_TRUE(store->idle());
    const auto again = lease::acquire(store);
    ASSERT_OK(again);
    EXPECT_EQ(again->address(), first.address);
    EXPECT_GT(again->where().generation, first.generation);
}

TEST_P(storage_conformance, work_added_after_the_noted_use_but_before_the_release_counts) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    if (!asynchronous()) GTEST_SKIP() << "work is done at once";
    const auto s = new_stream();
    auto store = slab::create(on(), 1000, 1).value();
    auto taken = lease::acquire(store).value();
    taken.used_on(*s);
    gate g;
    s->run(g.task());
    taken.reset();
    EXPECT_FALSE(lease::acquire(store));
}

TEST_P(storage_conformance, a_slab_waits_for_the_device_before_its_memory_goes) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    const auto s = new_stream();
    std::atomic<bool> used{false};
    {
        auto store = slab::create(on(), 1000, 2).value();
        auto taken = lease::acquire(store).value();
        s->run([&used]() -> result<void> {
            std::this_thread::sleep_for(10ms);
            used = true;
            return {};
        });
        taken.used_on(*s);
    }
    EXPECT_TRUE(used);
    EXPECT_EQ(on().pool().used_bytes(), 0u);
}

TEST_P(storage_conformance, a_staging_block_comes_back_when_its_transfer_is_done) {
    const auto s = new_stream();
    const auto target = memory(1000);
    const auto ring = staging_ring::create(on(), 1000, 2).value();
    for (int i = 0; i < 20; ++i) {
        auto block = ring->acquire(at_);
        ASSERT_OK(block);
        std::memset(block->host().data, i, 1000);
        ASSERT_OK(transfer(*s, direction::host_to_device, target.data(), block->host(), 1000, at_));
        block->release_after(*s);
        ASSERT_OK(finish(*s));
    }
    EXPECT_EQ(syncs(), asynchronous() ? 20u : 0u) << "the ring itself never waited";
    EXPECT_EQ(on().book().transfers(direction::host_to_device).pinned_count, 20u);
}

TEST_P(storage_conformance, a_full_staging_ring_waits_for_its_oldest_block_and_books_that) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    if (!asynchronous()) GTEST_SKIP() << "work is done at once";
    const auto s = new_stream();
    const auto ring = staging_ring::create(on(), 100, 2).value();
    gate g;
    s->run(g.task());
    auto first = ring->acquire(at_).value();
    const std::byte* const oldest = first.host().data;
    first.release_after(*s);
    ring->acquire(at_).value().release_after(*s);
    EXPECT_EQ(syncs(), 0u);
    std::atomic<bool> got{false};
    std::thread waiter([&] {
        const auto third = ring->acquire({stage::capture, {}});
        got = third.has_value() && third->host().data == oldest;
    });
    while (syncs() == 0)
        std::this_thread::yield();
    EXPECT_FALSE(got);
    g.open();
    waiter.join();
    EXPECT_TRUE(got);
    EXPECT_EQ(on().book().syncs(stage::capture), 1u);
}

TEST_P(storage_conformance, a_staging_ring_makes_its_blocks_as_they_are_needed) {
    const auto ring = staging_ring::create(on(), 1000, 3).value();
    EXPECT_EQ(ring->bytes(), 1000u);
    EXPECT_TRUE(ring->idle());
    for (int i = 0; i < 5; ++i)
        ASSERT_OK(ring->acquire(at_));
    EXPECT_EQ(ring->bytes(), 1000u) << "one after the other they share one";
    {
        const auto one = ring->acquire(at_), two = ring->acquire(at_), three = ring->acquire(at_);
        EXPECT_EQ(ring->bytes(), 3000u);
        EXPECT_FALSE(ring->idle());
    }
    EXPECT_TRUE(ring->idle());
}

TEST_P(storage_conformance, a_dropped_staging_block_is_free_at_once) {
    const auto ring = staging_ring::create(on(), 100, 1).value();
    const std::byte* const only = ring->acquire(at_).value().host().data;
    EXPECT_EQ(ring->acquire(at_).value().host().data, only);
    auto moved = ring->acquire(at_).value();
    staging_block other;
    other = std::move(moved);
    EXPECT_EQ(other.host().data, only);
}

// One thread of the stress: frames go up through staging, are worked on by two streams (where kernels are host functions),
// and come down; each byte is checked.
class worker {
public:
    worker(device& on, std::shared_ptr<slab> store, staging_ring& ring, int seed)
        : on_(on),
          store_(std::move(store)),
          ring_(ring),
          seed_(seed),
          first_(on.make_stream("first").value()),
          second_(on.make_stream("second").value()),
          uploaded_(on.make_event().value()),
          done_(on.make_event().value()) {}

    void pass(int round) {
        auto held = lease::acquire(store_);
        while (!held) {
            std::this_thread::yield();
            held = lease::acquire(store_);
        }
        const auto shared = std::move(*held).shared();
        const int value = (seed_ * 37 + round) % 250;
        send(*shared, value);
        const auto read = ring_.acquire(at_);
        if (!read) return fail_with(read.error());
        second_->wait(*uploaded_);
        add_one(*second_, *shared);
        shared->used_on(*second_);
        if (auto r = transfer(*second_, direction::device_to_host, shared->address(), read->host(), bytes, at_); !r)
            return fail_with(r.error());
        if (auto r = synchronise(*second_, *done_, at_); !r) return fail_with(r.error());
        for (std::size_t i = 0; i < bytes; ++i)
            wrong_ += std::to_integer<int>(read->host().data[i]) != value + (on_.computes_on_host() ? 2 : 0);
    }

    int wrong() const { return wrong_; }
    static constexpr std::size_t bytes = 4096;

private:
    void send(const lease& to, int value) {
        auto block = ring_.acquire(at_);
        if (!block) return fail_with(block.error());
        std::memset(block->host().data, value, bytes);
        if (auto r = transfer(*first_, direction::host_to_device, to.address(), block->host(), bytes, at_); !r)
            fail_with(r.error());
        block->release_after(*first_);
        add_one(*first_, to);
        to.used_on(*first_);
        first_->record(*uploaded_);
    }
    void add_one(stream& s, const lease& to) {
        if (!on_.computes_on_host()) return;
        std::byte* const at = on_.kernel_address(to.address());
        s.run([at]() -> result<void> {
            for (std::size_t i = 0; i < bytes; ++i)
                at[i] = static_cast<std::byte>(std::to_integer<int>(at[i]) + 1);
            return {};
        });
    }
    void fail_with(const error& e) {
        ++wrong_;
        ADD_FAILURE() << e.message;
    }

    device& on_;
    const std::shared_ptr<slab> store_;
    staging_ring& ring_;
    const int seed_;
    const tag at_{stage::detect, {}};
    std::unique_ptr<stream> first_, second_;
    std::unique_ptr<event> uploaded_, done_;
    int wrong_ = 0;
};

TEST_P(storage_conformance, many_threads_and_streams_share_slots_and_blocks_without_mixing_bytes) {
    constexpr int threads = 6, rounds = 150;
    auto store = slab::create(on(), worker::bytes, 3).value();
    {
        const auto ring = staging_ring::create(on(), worker::bytes, threads + 2).value();
        std::vector<std::unique_ptr<worker>> workers;
        for (int i = 0; i < threads; ++i)
            workers.push_back(std::make_unique<worker>(on(), store, *ring, i));
        std::vector<std::thread> running;
        for (auto& w : workers) {
            running.emplace_back([&w] {
                for (int round = 0; round < rounds; ++round)
                    w->pass(round);
            });
        }
        for (auto& t : running)
            t.join();
        for (const auto& w : workers)
            EXPECT_EQ(w->wrong(), 0);
    }
    EXPECT_EQ(on().book().transfers(direction::host_to_device).count, std::uint64_t{threads} * rounds);
    EXPECT_EQ(on().book().transfers(direction::device_to_host).bytes, std::uint64_t{threads} * rounds * worker::bytes);
    EXPECT_TRUE(store->idle());
    store.reset();
    EXPECT_EQ(on().pool().used_bytes(), 0u);
}

}  // namespace
}  // namespace faceflow::internal
