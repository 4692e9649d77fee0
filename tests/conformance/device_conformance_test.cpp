// SPDX-License-Identifier: Apache-2.0
// What every device promises: its pool, its transfers and ledger, its streams and events.
#include <atomic>
#include <chrono>
#include <random>
#include <stdexcept>
#include <thread>

#include "devices.hpp"

namespace faceflow::internal {
namespace {

using test::cap_under_test;
using test::device_conformance;
using test::gate;
using test::host_memory;
using test::no_tasks;
using namespace std::chrono_literals;

INSTANTIATE_TEST_SUITE_P(every, device_conformance, testing::ValuesIn(test::every_device()),
                         [](const auto& chosen) { return chosen.param.label; });

TEST_P(device_conformance, allocates_aligned_memory_that_does_not_overlap) {
    std::vector<device_buffer> buffers;
    for (std::size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1)
        buffers.push_back(memory(bytes));
    for (const auto& a : buffers) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 256, 0u);
        for (const auto& b : buffers) {
            if (&a != &b) {
                EXPECT_TRUE(a.data() + a.bytes() <= b.data() || b.data() + b.bytes() <= a.data());
            }
        }
    }
}

TEST_P(device_conformance, gives_out_its_whole_cap_and_not_a_byte_more) {
    {
        const auto whole = device_buffer::allocate(on().pool(), cap_under_test);
        ASSERT_OK(whole);
        EXPECT_EQ(on().pool().used_bytes(), on().pool().limit_bytes());
        EXPECT_FALSE(device_buffer::allocate(on().pool(), 1));
    }
    EXPECT_EQ(on().pool().used_bytes(), 0u);
    EXPECT_EQ(on().pool().peak_bytes(), cap_under_test);
}

TEST_P(device_conformance, goes_on_after_running_out_of_memory) {
    const auto half = memory(cap_under_test / 2);
    const auto refused = device_buffer::allocate(on().pool(), cap_under_test);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::out_of_memory);
    EXPECT_EQ(on().pool().used_bytes(), cap_under_test / 2);
    EXPECT_OK(device_buffer::allocate(on().pool(), cap_under_test / 4));
}

TEST_P(device_conformance, brings_bytes_up_and_down_unchanged_and_books_them) {
    constexpr std::size_t bytes = 100'003;
    const auto s = new_stream();
    const auto target = memory(bytes);
    const host_memory up(on(), bytes, true), down(on(), bytes, true);
    std::mt19937 random(1);
    for (std::size_t i = 0; i < bytes; ++i)
        up.data()[i] = static_cast<std::byte>(random());
    ASSERT_OK(transfer(*s, direction::host_to_device, target.data(), up.block(), bytes, {stage::capture, {0, 1}}));
    ASSERT_OK(transfer(*s, direction::device_to_host, target.data(), down.block(), bytes, {stage::sink, {0, 1}}));
    ASSERT_OK(finish(*s));
    EXPECT_EQ(std::memcmp(up.data(), down.data(), bytes), 0);

    const ledger& book = on().book();
    for (const auto& [d, at] :
         {std::pair{direction::host_to_device, stage::capture}, {direction::device_to_host, stage::sink}}) {
        const auto entry = book.transfers(d, at);
        EXPECT_EQ(entry.count, 1u);
        EXPECT_EQ(entry.bytes, bytes);
        EXPECT_EQ(entry.pinned_count, 1u);
        EXPECT_EQ(entry.pinned_bytes, bytes);
        EXPECT_EQ(book.transfers(d).count, 1u);
    }
}

TEST_P(device_conformance, lets_go_of_pageable_memory_before_transfer_returns) {
    constexpr std::size_t bytes = 70'000;
    const auto s = new_stream();
    const auto target = memory(bytes);
    const host_memory host(on(), bytes, false);
    host.fill(5);
    ASSERT_OK(transfer(*s, direction::host_to_device, target.data(), host.block(), bytes, at_));
    host.fill(6);
    ASSERT_OK(transfer(*s, direction::device_to_host, target.data(), host.block(), bytes, at_));
    EXPECT_TRUE(host.holds(5));
    EXPECT_EQ(on().book().transfers(direction::host_to_device).pinned_count, 0u);
    EXPECT_EQ(on().book().transfers(direction::device_to_host).pinned_bytes, 0u);
    EXPECT_EQ(syncs(), asynchronous() ? 1u : 0u) << "the way down is a wait, the way up is none";
    ASSERT_OK(finish(*s));
}

TEST_P(device_conformance, refuses_a_transfer_that_its_host_block_cannot_hold) {
    const auto s = new_stream();
    const auto target = memory(1000);
    const host_memory host(on(), 500, true);
    EXPECT_FALSE(transfer(*s, direction::host_to_device, target.data(), host.block(), 501, at_));
    EXPECT_EQ(on().book().transfers(direction::host_to_device).count, 0u);
}

TEST_P(device_conformance, kernels_reach_what_was_transferred) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    const auto s = new_stream();
    const auto target = memory(3000);
    const host_memory host(on(), 3000, true);
    host.fill(20);
    ASSERT_OK(transfer(*s, direction::host_to_device, target.data(), host.block(), 3000, at_));
    std::byte* const inside = on().kernel_address(target.data());
    EXPECT_EQ(on().kernel_address(target.data() + 17), inside + 17);
    s->run([inside]() -> result<void> {
        for (int i = 0; i < 3000; ++i)
            inside[i] = static_cast<std::byte>(std::to_integer<int>(inside[i]) + 1);
        return {};
    });
    ASSERT_OK(transfer(*s, direction::device_to_host, target.data(), host.block(), 3000, at_));
    ASSERT_OK(finish(*s));
    EXPECT_TRUE(host.holds(21));
}

TEST_P(device_conformance, a_stream_works_in_the_order_of_adding) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    const auto s = new_stream();
    std::vector<int> seen;
    for (int i = 0; i < 1000; ++i) {
        s->run([&seen, i]() -> result<void> {
            seen.push_back(i);
            return {};
        });
    }
    ASSERT_OK(finish(*s));
    ASSERT_EQ(seen.size(), 1000u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_P(device_conformance, adding_work_does_not_wait_for_it) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    if (!asynchronous()) GTEST_SKIP() << "work is done at once";
    const auto s = new_stream();
    const auto done = new_event();
    gate g;
    s->run(g.task());
    s->record(*done);
    EXPECT_FALSE(done->done());
    EXPECT_EQ(syncs(), 0u);
    g.open();
    ASSERT_OK(wait_until_done(on(), *done, at_));
    EXPECT_TRUE(done->done());
}

TEST_P(device_conformance, destroying_a_stream_finishes_its_work) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    std::atomic<int> ran{0};
    {
        const auto s = new_stream();
        for (int i = 0; i < 50; ++i) {
            s->run([&ran]() -> result<void> {
                ++ran;
                return {};
            });
        }
    }
    EXPECT_EQ(ran, 50);
}

TEST_P(device_conformance, an_error_skips_what_follows_until_it_is_taken) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    const auto s = new_stream();
    const auto target = memory(100);
    const host_memory host(on(), 100, true);
    host.fill(1);
    ASSERT_OK(transfer(*s, direction::host_to_device, target.data(), host.block(), 100, at_));
    ASSERT_OK(finish(*s));
    host.fill(2);
    bool ran = false;
    s->run([]() -> result<void> { return fail(errc::corrupt, "first"); });
    s->run([&ran]() -> result<void> {
        ran = true;
        return fail(errc::io, "second");
    });
    ASSERT_OK(transfer(*s, direction::device_to_host, target.data(), host.block(), 100, at_));
    const auto failed = finish(*s);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, errc::corrupt);
    EXPECT_EQ(failed.error().message, "first");
    EXPECT_FALSE(ran);
    EXPECT_TRUE(host.holds(2)) << "a transfer behind the error was done";

    ASSERT_OK(transfer(*s, direction::device_to_host, target.data(), host.block(), 100, at_));
    EXPECT_OK(finish(*s));
    EXPECT_TRUE(host.holds(1));
}

TEST_P(device_conformance, an_exception_in_a_task_is_an_error) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    const auto s = new_stream();
    s->run([]() -> result<void> { throw std::runtime_error("thrown on a stream"); });
    const auto failed = finish(*s);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "thrown on a stream");
    EXPECT_OK(finish(*s));
}

TEST_P(device_conformance, an_error_stays_with_its_stream) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    const auto bad = new_stream(), good = new_stream();
    const auto e = new_event();
    bad->run([]() -> result<void> { return fail(errc::internal, "only here"); });
    bad->record(*e);
    bool ran = false;
    good->wait(*e);
    good->run([&ran]() -> result<void> {
        ran = true;
        return {};
    });
    EXPECT_OK(finish(*good));
    EXPECT_TRUE(ran);
    EXPECT_OK(wait_until_done(on(), *e, at_));
    EXPECT_FALSE(finish(*bad));
}

TEST_P(device_conformance, an_event_that_was_never_recorded_is_done) {
    const auto e = new_event();
    EXPECT_TRUE(e->done());
    const auto s = new_stream();
    s->wait(*e);
    EXPECT_OK(finish(*s));
}

TEST_P(device_conformance, events_order_streams_without_the_host) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    constexpr int rounds = 200;
    const auto producer = new_stream("producer"), consumer = new_stream("consumer");
    const auto made = new_event(), used = new_event();
    int value = 0, wrong = 0;
    std::mt19937 random(7);
    for (int i = 1; i <= rounds; ++i) {
        const std::chrono::microseconds first(random() % 40), second(random() % 40);
        producer->wait(*used);
        producer->run([&value, i, first]() -> result<void> {
            std::this_thread::sleep_for(first);
            value = i;
            return {};
        });
        producer->record(*made);
        consumer->wait(*made);
        consumer->run([&value, &wrong, i, second]() -> result<void> {
            std::this_thread::sleep_for(second);
            if (value != i) ++wrong;
            return {};
        });
        consumer->record(*used);
    }
    EXPECT_EQ(syncs(), 0u);
    ASSERT_OK(finish(*consumer));
    EXPECT_EQ(wrong, 0);
}

TEST_P(device_conformance, recording_an_event_again_leaves_those_who_wait_for_the_first) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    if (!asynchronous()) GTEST_SKIP() << "work is done at once";
    const auto held = new_stream(), waiter = new_stream(), other = new_stream();
    const auto e = new_event();
    gate g;
    std::atomic<bool> ran{false};
    held->run(g.task());
    held->record(*e);
    waiter->wait(*e);
    waiter->run([&ran]() -> result<void> {
        ran = true;
        return {};
    });
    EXPECT_FALSE(e->done());
    other->record(*e);
    ASSERT_OK(finish(*other));
    EXPECT_TRUE(e->done()) << "it marks the other stream's work now";
    std::this_thread::sleep_for(5ms);
    EXPECT_FALSE(ran) << "the wait was for the first recording";
    g.open();
    ASSERT_OK(finish(*waiter));
    EXPECT_TRUE(ran);
}

TEST_P(device_conformance, a_wait_before_the_recording_waits_for_nothing) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    if (!asynchronous()) GTEST_SKIP() << "work is done at once";
    const auto held = new_stream(), waiter = new_stream();
    const auto e = new_event();
    gate g;
    waiter->wait(*e);
    held->run(g.task());
    held->record(*e);
    EXPECT_OK(finish(*waiter));
}

TEST_P(device_conformance, books_each_time_that_the_host_waits) {
    const auto s = new_stream();
    const auto e = new_event();
    for (int i = 0; i < 3; ++i)
        ASSERT_OK(synchronise(*s, *e, at_));
    EXPECT_EQ(on().book().syncs(stage::detect), asynchronous() ? 3u : 0u);
    ASSERT_OK(wait_until_done(on(), *e, at_));
    EXPECT_EQ(syncs(), asynchronous() ? 3u : 0u) << "it was done already";
}

TEST_P(device_conformance, lets_a_library_add_work_and_keeps_its_error) {
    const auto s = new_stream();
    int calls = 0;
    s->enqueue([&]() -> result<void> {
        ++calls;
        return {};
    });
    ASSERT_OK(finish(*s));
    EXPECT_EQ(calls, 1);
    s->enqueue([]() -> result<void> { return fail(errc::corrupt, "the library's own"); });
    s->enqueue([&]() -> result<void> {
        ++calls;
        return {};
    });
    const auto failed = finish(*s);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "the library's own");
    EXPECT_EQ(calls, 1) << "what follows an error is skipped";
    s->enqueue([]() -> result<void> { throw std::runtime_error("thrown"); });
    EXPECT_FALSE(finish(*s));
}

TEST_P(device_conformance, tells_how_long_spans_of_work_took) {
    constexpr std::size_t bytes = std::size_t{4} << 20;
    const auto s = new_stream();
    const auto target = memory(bytes);
    const host_memory host(on(), bytes, true);
    std::vector<std::chrono::steady_clock::duration> took;
    for (int i = 0; i < 3; ++i) {
        s->begin_span();
        ASSERT_OK(transfer(*s, direction::host_to_device, target.data(), host.block(), bytes, at_));
        s->end_span([&](auto begin, auto end) { took.push_back(end - begin); });
    }
    const auto waits = syncs();
    ASSERT_OK(finish(*s));
    EXPECT_EQ(syncs(), waits + (asynchronous() ? 1 : 0));
    ASSERT_EQ(took.size(), 3u);
    for (const auto t : took)
        EXPECT_GE(t.count(), 0);
}

}  // namespace
}  // namespace faceflow::internal
