// SPDX-License-Identifier: Apache-2.0
// Slots, generations and leases, apart from any device's timing.
#include "device/slab.hpp"

#include <atomic>
#include <set>
#include <thread>

#include "device/cpu/cpu_device.hpp"
#include "frame/lease.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

class slab_of_four : public testing::Test {
protected:
    const std::unique_ptr<device> on_ = make_cpu_device(1 << 20);
    const std::shared_ptr<slab> slab_ = slab::create(*on_, 1000, 4).value();
};

TEST_F(slab_of_four, is_one_allocation_of_aligned_slots_that_do_not_overlap) {
    EXPECT_EQ(slab_->slot_bytes(), 1024u);
    EXPECT_EQ(on_->pool().used_bytes(), 4096u);
    std::set<std::byte*> addresses;
    for (int i = 0; i < 4; ++i)
        addresses.insert(slab_->acquire().value().address);
    ASSERT_EQ(addresses.size(), 4u);
    for (auto* const a : addresses) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 256, 0u);
        EXPECT_EQ((a - *addresses.begin()) % 1024, 0);
    }
}

TEST_F(slab_of_four, refuses_a_fifth_and_goes_on_when_one_comes_back) {
    std::vector<lease> held;
    for (int i = 0; i < 4; ++i)
        held.push_back(lease::acquire(slab_).value());
    const auto fifth = lease::acquire(slab_);
    ASSERT_FALSE(fifth);
    EXPECT_EQ(fifth.error().code, errc::out_of_memory);
    EXPECT_EQ(slab_->in_use(), 4u);
    held.pop_back();
    EXPECT_EQ(slab_->in_use(), 3u);
    EXPECT_OK(lease::acquire(slab_));
}

TEST_F(slab_of_four, recognises_a_use_that_is_over) {
    const slot first = slab_->acquire().value();
    EXPECT_TRUE(slab_->current(first.index, first.generation));
    EXPECT_FALSE(slab_->current(first.index, 0));
    EXPECT_FALSE(slab_->current(99, 1));
    ASSERT_OK(slab_->release(first));
    EXPECT_FALSE(slab_->current(first.index, first.generation));
    EXPECT_FALSE(slab_->release(first)) << "released twice";

    const slot second = slab_->acquire().value();
    EXPECT_EQ(second.index, first.index) << "the warmest comes first";
    EXPECT_GT(second.generation, first.generation);
    EXPECT_FALSE(slab_->release(first)) << "that would end somebody else's use";
    EXPECT_TRUE(slab_->current(second.index, second.generation));
}

TEST_F(slab_of_four, a_shared_lease_lives_as_long_as_its_last_holder) {
    std::shared_ptr<const void> hold;
    {
        const auto shared = lease::acquire(slab_).value().shared();
        hold = shared;
    }
    EXPECT_EQ(slab_->in_use(), 1u);
    hold.reset();
    EXPECT_EQ(slab_->in_use(), 0u);
}

TEST_F(slab_of_four, its_pool_knows_how_many_slots_are_in_use_in_all_slabs) {
    const auto other = slab::create(*on_, 512, 2).value();
    lease a = lease::acquire(slab_).value();
    const lease b = lease::acquire(other).value();
    EXPECT_EQ(on_->pool().slots_in_use(), 2u);
    a.reset();
    EXPECT_EQ(on_->pool().slots_in_use(), 1u);
    EXPECT_FALSE(other->release({b.where().index, 99, nullptr}));
    EXPECT_EQ(on_->pool().slots_in_use(), 1u) << "a use that is over ends nothing";
}

TEST_F(slab_of_four, moving_a_lease_moves_the_use) {
    lease a = lease::acquire(slab_).value();
    lease b = std::move(a);
    EXPECT_TRUE(b);
    a = lease::acquire(slab_).value();
    EXPECT_EQ(slab_->in_use(), 2u);
    a = std::move(b);
    EXPECT_EQ(slab_->in_use(), 1u);
    a.reset();
    a.reset();
    EXPECT_EQ(slab_->in_use(), 0u);
}

TEST_F(slab_of_four, each_slot_has_one_user_at_a_time) {
    std::array<std::atomic<int>, 4> users{};
    std::atomic<int> clashes{0}, taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([&] {
            const auto s = on_->make_stream("s").value();
            for (int i = 0; i < 5000; ++i) {
                const auto held = lease::acquire(slab_);
                if (!held) continue;
                ++taken;
                if (users[held->where().index].fetch_add(1) != 0) ++clashes;
                held->used_on(*s);
                users[held->where().index].fetch_sub(1);
            }
        });
    }
    for (auto& t : threads)
        t.join();
    EXPECT_EQ(clashes, 0);
    EXPECT_GT(taken, 0);
    EXPECT_TRUE(slab_->idle());
}

TEST(slab, keeps_its_memory_while_a_lease_is_out) {
    const auto on = make_cpu_device(1 << 20);
    auto store = slab::create(*on, 1000, 1).value();
    auto held = lease::acquire(store).value();
    store.reset();
    EXPECT_EQ(on->pool().used_bytes(), 1024u);
    held.reset();
    EXPECT_EQ(on->pool().used_bytes(), 0u);
}

TEST(slab, refuses_what_makes_no_sense_or_does_not_fit) {
    const auto on = make_cpu_device(1 << 20);
    EXPECT_EQ(slab::create(*on, 0, 1).error().code, errc::invalid_argument);
    EXPECT_EQ(slab::create(*on, 1, 0).error().code, errc::invalid_argument);
    EXPECT_EQ(slab::create(*on, SIZE_MAX, 2).error().code, errc::invalid_argument);
    EXPECT_EQ(slab::create(*on, SIZE_MAX, 1).error().code, errc::invalid_argument);
    EXPECT_EQ(slab::create(*on, 1 << 19, 3).error().code, errc::out_of_memory);
}

}  // namespace
}  // namespace faceflow::internal
