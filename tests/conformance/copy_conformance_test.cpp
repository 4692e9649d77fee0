// SPDX-License-Identifier: Apache-2.0
// The order of streams, events, slots and staging blocks, seen through nothing but copies: the same on devices that run no
// host functions. Where a test needs a stream to be busy, the copies on it take long enough to look.
#include <vector>

#include "device/slab.hpp"
#include "device/staging.hpp"
#include "devices.hpp"
#include "frame/lease.hpp"

namespace faceflow::internal {
namespace {

using test::host_memory;

using test::mib;

class copy_conformance : public test::device_conformance {
protected:
    static constexpr std::size_t large = 8 * mib;
    static constexpr int many = 40;

    void SetUp() override {
        device_conformance::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        source_ = std::make_unique<host_memory>(on(), large, true);
        source_->fill(1);
    }

    // Milliseconds of copies for a GPU: 320 MiB up into `target`.
    void keep_busy(stream& s, const std::byte* target) {
        for (int i = 0; i < many; ++i)
            up(s, target, *source_, large);
    }
    void up(stream& s, const std::byte* target, const host_memory& from, std::size_t bytes) {
        ASSERT_OK(transfer(s, direction::host_to_device, const_cast<std::byte*>(target), from.block(), bytes, at_));
    }
    void down(stream& s, const std::byte* source, const host_memory& to, std::size_t bytes) {
        ASSERT_OK(transfer(s, direction::device_to_host, const_cast<std::byte*>(source), to.block(), bytes, at_));
    }

private:
    std::unique_ptr<host_memory> source_;
};
INSTANTIATE_TEST_SUITE_P(every, copy_conformance, testing::ValuesIn(test::every_device()),
                         [](const auto& chosen) { return chosen.param.label; });

TEST_P(copy_conformance, a_stream_copies_in_the_order_of_adding) {
    constexpr int rounds = 30;
    const auto s = new_stream();
    const auto target = memory(mib);
    std::vector<std::unique_ptr<host_memory>> sent, got;
    for (int i = 0; i < rounds; ++i) {
        sent.push_back(std::make_unique<host_memory>(on(), mib, true));
        got.push_back(std::make_unique<host_memory>(on(), mib, true));
        sent.back()->fill(i + 1);
    }
    for (std::size_t i = 0; i < rounds; ++i) {
        up(*s, target.data(), *sent[i], mib);
        down(*s, target.data(), *got[i], mib);
    }
    ASSERT_OK(finish(*s));
    for (int i = 0; i < rounds; ++i)
        EXPECT_TRUE(got[static_cast<std::size_t>(i)]->holds(i + 1)) << "round " << i;
    EXPECT_EQ(syncs(), asynchronous() ? 1u : 0u);
}

// Without the waits the consumer would read what the round before left, or the half of two rounds.
TEST_P(copy_conformance, events_order_the_copies_of_two_streams) {
    constexpr std::size_t rounds = 24;
    constexpr std::size_t seen = 4096;
    const auto producer = new_stream("producer"), consumer = new_stream("consumer");
    const auto made = new_event(), used = new_event();
    const auto target = memory(large);
    const host_memory odd(on(), large, true), even(on(), large, true);
    odd.fill(1);
    even.fill(2);
    std::vector<std::unique_ptr<host_memory>> got;
    for (std::size_t i = 0; i < rounds; ++i)
        got.push_back(std::make_unique<host_memory>(on(), seen, true));
    for (std::size_t i = 0; i < rounds; ++i) {
        producer->wait(*used);
        up(*producer, target.data(), i % 2 == 0 ? even : odd, large);
        producer->record(*made);
        consumer->wait(*made);
        down(*consumer, target.data() + large - seen, *got[i], seen);
        consumer->record(*used);
    }
    EXPECT_EQ(syncs(), 0u);
    ASSERT_OK(finish(*consumer));
    for (std::size_t i = 0; i < rounds; ++i)
        EXPECT_TRUE(got[i]->holds(i % 2 == 0 ? 2 : 1)) << "round " << i;
}

TEST_P(copy_conformance, destroying_a_stream_finishes_its_copies) {
    const auto target = memory(large);
    const host_memory value(on(), large, true), got(on(), large, true);
    value.fill(9);
    {
        const auto s = new_stream();
        keep_busy(*s, target.data());
        up(*s, target.data(), value, large);
        down(*s, target.data(), got, large);
    }
    EXPECT_TRUE(got.holds(9));
}

TEST_P(copy_conformance, pageable_memory_of_any_size_is_free_when_transfer_returns) {
    const auto s = new_stream();
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}, std::size_t{65'537}, large}) {
        const auto target = memory(bytes);
        const host_memory host(on(), bytes, false);
        host.fill(5);
        up(*s, target.data(), host, bytes);
        host.fill(6);
        down(*s, target.data(), host, bytes);
        EXPECT_TRUE(host.holds(5)) << bytes << " bytes";
    }
    EXPECT_OK(finish(*s));
}

TEST_P(copy_conformance, memory_in_small_pieces_and_back_is_whole_again) {
    for (int round = 0; round < 3; ++round) {
        {
            std::vector<device_buffer> pieces;
            for (std::size_t used = 0; used + mib / 4 <= test::cap_under_test; used += mib / 4)
                pieces.push_back(memory(mib / 4));
        }
        EXPECT_OK(device_buffer::allocate(on().pool(), test::cap_under_test));
    }
}

// From here on, only for devices whose streams are opaque: those that run tasks have a gate for it.
class opaque_copy_conformance : public copy_conformance {
protected:
    void SetUp() override {
        copy_conformance::SetUp();
        if (!IsSkipped() && !HasFatalFailure() && on().computes_on_host()) GTEST_SKIP() << "there is a test with tasks";
    }
};
INSTANTIATE_TEST_SUITE_P(every, opaque_copy_conformance, testing::ValuesIn(test::every_device()),
                         [](const auto& chosen) { return chosen.param.label; });

TEST_P(opaque_copy_conformance, a_task_is_an_error_that_skips_the_copies_behind_it) {
    const auto s = new_stream(), other = new_stream();
    const auto target = memory(100);
    const host_memory host(on(), 100, true);
    host.fill(1);
    up(*s, target.data(), host, 100);
    ASSERT_OK(finish(*s));
    host.fill(2);
    bool ran = false;
    s->run([&ran]() -> result<void> {
        ran = true;
        return {};
    });
    down(*s, target.data(), host, 100);
    const auto after = new_event();
    s->record(*after);
    other->wait(*after);
    EXPECT_OK(finish(*other)) << "an event of a failed stream is reached, and its error stays with it";
    const auto failed = finish(*s);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, errc::unsupported);
    EXPECT_FALSE(ran);
    EXPECT_TRUE(host.holds(2)) << "a transfer behind the error was done";

    down(*s, target.data(), host, 100);
    EXPECT_OK(finish(*s));
    EXPECT_TRUE(host.holds(1));
}

TEST_P(opaque_copy_conformance, adding_copies_does_not_wait_for_them) {
    const auto s = new_stream();
    const auto done = new_event();
    const auto target = memory(large);
    keep_busy(*s, target.data());
    s->record(*done);
    EXPECT_FALSE(done->done());
    EXPECT_EQ(syncs(), 0u);
    ASSERT_OK(wait_until_done(on(), *done, at_));
    EXPECT_TRUE(done->done());
    EXPECT_EQ(syncs(), 1u);
}

TEST_P(opaque_copy_conformance, recording_an_event_again_leaves_those_who_wait_for_the_first) {
    const auto held = new_stream(), waiter = new_stream(), other = new_stream();
    const auto e = new_event();
    const auto target = memory(large);
    const host_memory last(on(), large, true), got(on(), large, true);
    last.fill(7);
    keep_busy(*held, target.data());
    up(*held, target.data(), last, large);
    held->record(*e);
    waiter->wait(*e);
    down(*waiter, target.data(), got, large);
    EXPECT_FALSE(e->done());
    other->record(*e);
    ASSERT_OK(finish(*other));
    EXPECT_TRUE(e->done()) << "it marks the other stream's work now";
    ASSERT_OK(finish(*waiter));
    EXPECT_TRUE(got.holds(7)) << "the wait was for the first recording";
}

TEST_P(opaque_copy_conformance, allocating_does_not_wait_for_the_device) {
    const auto s = new_stream();
    const auto done = new_event();
    const auto target = memory(large);
    { const auto warm = memory(mib); }
    keep_busy(*s, target.data());
    s->record(*done);
    { const auto more = memory(mib); }
    EXPECT_FALSE(done->done());
    EXPECT_OK(finish(*s));
}

TEST_P(opaque_copy_conformance, a_slot_is_reused_only_after_the_device_has_passed_its_use) {
    const auto s = new_stream(), other = new_stream();
    auto store = slab::create(on(), large, 1).value();
    auto taken = lease::acquire(store).value();
    const slot first = taken.where();
    taken.used_on(*s);
    taken.used_on(*other);
    keep_busy(*s, first.address);
    taken.reset();
    const auto early = lease::acquire(store);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, errc::out_of_memory);
    EXPECT_FALSE(store->idle());
    EXPECT_EQ(syncs(), 0u);
    ASSERT_OK(finish(*s));
    ASSERT_OK(finish(*other));
    EXPECT_TRUE(store->idle());
    const auto again = lease::acquire(store);
    ASSERT_OK(again);
    EXPECT_EQ(again->address(), first.address);
    EXPECT_GT(again->where().generation, first.generation);
}

TEST_P(opaque_copy_conformance, a_slab_waits_for_the_device_before_its_memory_goes) {
    const auto s = new_stream();
    const auto done = new_event();
    {
        auto store = slab::create(on(), large, 2).value();
        auto taken = lease::acquire(store).value();
        keep_busy(*s, taken.address());
        s->record(*done);
        taken.used_on(*s);
    }
    EXPECT_TRUE(done->done());
    EXPECT_EQ(syncs(), 1u);
    EXPECT_EQ(on().pool().used_bytes(), 0u);
}

TEST_P(opaque_copy_conformance, a_full_staging_ring_waits_for_its_oldest_block_and_books_that) {
    const auto s = new_stream();
    const auto target = memory(large);
    const auto ring = staging_ring::create(on(), mib, 2).value();
    auto first = ring->acquire(at_).value();
    const std::byte* const oldest = first.host().data;
    keep_busy(*s, target.data());
    first.release_after(*s);
    const auto done = new_event();
    s->record(*done);
    keep_busy(*s, target.data());
    ring->acquire(at_).value().release_after(*s);
    EXPECT_EQ(syncs(), 0u);
    const auto third = ring->acquire({stage::capture, {}});
    ASSERT_OK(third);
    EXPECT_EQ(third->host().data, oldest);
    EXPECT_TRUE(done->done()) << "the block was given out while a copy still read it";
    EXPECT_EQ(on().book().syncs(stage::capture), 1u);
    EXPECT_OK(finish(*s));
}

}  // namespace
}  // namespace faceflow::internal
