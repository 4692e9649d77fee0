// SPDX-License-Identifier: Apache-2.0
// What only the emulated device promises: unreadable memory, modelled links, separate devices, memory for other processes.
#include "device/emulated/emulated_device.hpp"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "backends/open_devices.hpp"
#include "device/emulated/fault_reporter.hpp"
#include "device/stage_scope.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

using test::mib;
constexpr link_model no_link{"none", 0, 0, 0, 1};
constexpr link_model slow_link{"slow", 0, 200e6, 200e6, 0.5};  // far slower than any memcpy: 20 MiB take 105 ms

std::unique_ptr<emulated_device> make(int index, std::size_t cap, const link_model& link) {
    return emulated_device::create(index, cap, link).value();
}

void touch(std::byte* address) {
    *static_cast<volatile std::byte*>(address) = std::byte{1};
}

// ---- memory that the host cannot touch

class emulated_memory_death : public testing::Test {
protected:
    emulated_memory_death() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
    const std::unique_ptr<emulated_device> device_ = make(2, mib, no_link);
    const device_buffer memory_ = device_buffer::allocate(device_->pool(), 4096).value();
};

TEST_F(emulated_memory_death, a_host_access_is_a_crash_that_names_device_stage_and_frame) {
    EXPECT_DEATH(
        {
            install_fault_reporter();
            const stage_scope outer({stage::detect, {0, 1}});
            const stage_scope note({stage::region, {3, 17}});
            touch(memory_.data());
        },
        "memory of device emulated:2 \\(byte 0\\) without a transfer, in stage region, source 3 frame 17");
}

TEST_F(emulated_memory_death, a_task_that_forgot_kernel_address_is_named_by_who_added_it) {
    EXPECT_DEATH(
        {
            install_fault_reporter();
            const auto s = device_->make_stream("s").value();
            const auto e = device_->make_event().value();
            const stage_scope note({stage::landmark, {1, 99}});
            s->run([at = memory_.data()]() -> result<void> {
                touch(at + 5);
                return {};
            });
            (void)synchronise(*s, *e, {});
        },
        "emulated:2 \\(byte 5\\).*stage landmark, source 1 frame 99");
}

TEST_F(emulated_memory_death, a_host_access_outside_any_stage_says_so) {
    EXPECT_DEATH(
        {
            install_fault_reporter();
            { const stage_scope over({stage::track, {0, 0}}); }
            touch(memory_.data());
        },
        "emulated:2.*no stage that was noted");
}

TEST_F(emulated_memory_death, a_fault_elsewhere_stays_an_ordinary_one) {
    EXPECT_DEATH(
        {
            void* const nowhere = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            install_fault_reporter();
            touch(static_cast<std::byte*>(nowhere));
        },
        testing::Not(HasSubstr("memory of device")));
}

TEST(stage_scope, is_the_innermost_of_its_own_thread) {
    EXPECT_FALSE(stage_scope::current());
    const stage_scope outer({stage::detect, {0, 1}});
    {
        const stage_scope inner({stage::sink, {0, 2}});
        EXPECT_EQ(stage_scope::current()->at, stage::sink);
        std::thread([] { EXPECT_FALSE(stage_scope::current()); }).join();
    }
    EXPECT_EQ(stage_scope::current()->at, stage::detect);
}

// ---- the arena

TEST(emulated_arena, random_allocations_never_overlap_and_all_come_back) {
    const auto arena = emulated_arena::create("test", 4 * mib).value();
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
        std::mt19937 random(seed);
        std::map<std::byte*, std::size_t> held;
        for (int i = 0; i < 2000; ++i) {
            if (random() % 5 < 3) {
                const std::size_t bytes = 1 + random() % 50'000;
                const auto taken = arena->allocate(bytes);
                if (!taken) continue;
                const auto after = held.lower_bound(*taken);
                ASSERT_TRUE(after == held.end() || *taken + bytes <= after->first);
                ASSERT_TRUE(after == held.begin() || std::prev(after)->first + std::prev(after)->second <= *taken);
                ASSERT_TRUE(arena->contains(*taken, bytes));
                held.emplace(*taken, bytes);
            } else if (!held.empty()) {
                const auto gone = std::next(held.begin(), static_cast<std::ptrdiff_t>(random() % held.size()));
                arena->deallocate(gone->first, gone->second);
                held.erase(gone);
            }
        }
        for (const auto& [address, bytes] : held)
            arena->deallocate(address, bytes);
        const auto whole = arena->allocate(4 * mib);
        ASSERT_OK(whole) << "holes were not joined";
        arena->deallocate(*whole, 4 * mib);
    }
}

TEST(emulated_arena, maps_its_last_byte_and_none_behind_it) {
    const auto arena = emulated_arena::create("test", mib).value();
    EXPECT_NE(arena->mapped(arena->base()), nullptr);
    EXPECT_NE(arena->mapped(arena->base() + arena->bytes() - 1), nullptr);
    EXPECT_EQ(arena->mapped(arena->base() + arena->bytes()), nullptr) << "an import may begin there";
    EXPECT_EQ(arena->mapped(arena->base() - 1), nullptr);
}

TEST(emulated_arena, takes_memory_when_touched_and_gives_it_back_when_freed) {
    const auto arena = emulated_arena::create("test", 512 * mib).value();
    const auto resident = [&] {
        struct stat s {};
        fstat(arena->descriptor(), &s);
        return static_cast<std::size_t>(s.st_blocks) * 512;
    };
    const auto taken = arena->allocate(64 * mib);
    ASSERT_OK(taken);
    EXPECT_EQ(resident(), 0u);
    std::memset(arena->mapped(*taken), 1, 8 * mib);
    EXPECT_GE(resident(), 8 * mib);
    EXPECT_LE(resident(), 16 * mib);
    arena->deallocate(*taken, 64 * mib);
    EXPECT_EQ(resident(), 0u);
}

TEST(emulated_device, its_memory_can_be_mapped_by_its_descriptor_and_not_resized) {
    const auto on = make(0, mib, no_link);
    const auto memory = device_buffer::allocate(on->pool(), 1000).value();
    std::memset(on->kernel_address(memory.data()), 77, 1000);
    const auto exported = on->export_memory(memory.data(), 1000).value();
    const int descriptor = exported.descriptor.get();
    void* const view = mmap(nullptr, mib, PROT_READ, MAP_SHARED, descriptor, 0);
    ASSERT_NE(view, MAP_FAILED);
    EXPECT_EQ(static_cast<const std::byte*>(view)[exported.where.offset + 999], std::byte{77});
    munmap(view, mib);
    EXPECT_NE(ftruncate(descriptor, 0), 0) << "who mapped it could fault";
}

TEST(emulated_device, a_transfer_outside_its_memory_fails_the_stream) {
    const auto on = make(0, mib, no_link), other = make(1, mib, no_link);
    const auto s = on->make_stream("s").value();
    const auto e = on->make_event().value();
    const auto host = on->allocate_host(100, true).value();
    const auto foreign = device_buffer::allocate(other->pool(), 100).value();
    EXPECT_EQ(on->kernel_address(foreign.data()), nullptr);
    ASSERT_OK(transfer(*s, direction::host_to_device, foreign.data(), host, 100, {}));
    const auto failed = synchronise(*s, *e, {});
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("leaves the memory of emulated GPU 0"));
    on->release_host(host);
}

// ---- the link. Lower bounds are exact; upper ones leave room for a busy machine.

class copier {
public:
    copier(device& on, std::size_t bytes, bool pinned)
        : on_(on),
          bytes_(bytes),
          host_(on.allocate_host(bytes, pinned).value()),
          memory_(device_buffer::allocate(on.pool(), bytes).value()),
          stream_(on.make_stream("copy").value()),
          done_(on.make_event().value()) {
        std::memset(host_.data, 1, bytes);
        std::memset(on.kernel_address(memory_.data()), 1, bytes);
    }
    ~copier() {
        stream_.reset();
        on_.release_host(host_);
    }
    void start(direction d) { ASSERT_OK(transfer(*stream_, d, memory_.data(), host_, bytes_, {})); }
    void finish() { ASSERT_OK(synchronise(*stream_, *done_, {})); }

private:
    device& on_;
    const std::size_t bytes_;
    const host_block host_;
    const device_buffer memory_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<event> done_;
};

std::chrono::duration<double, std::milli> time_of(const std::function<void()>& work) {
    const auto start = clock::now();
    work();
    return clock::now() - start;
}

TEST(emulated_link, a_copy_takes_at_least_its_modelled_time) {
    const link_model pcie3 = find_link("pcie3").value();
    const auto on = make(0, 65 * mib, pcie3);
    copier c(*on, 64 * mib, true);
    for (const direction d : {direction::host_to_device, direction::device_to_host}) {
        const auto took = time_of([&] {
            c.start(d);
            c.finish();
        });
        const std::chrono::nanoseconds modelled(pcie3.engine_ns(d == direction::host_to_device, 64 * mib));
        EXPECT_GT(modelled, 5ms);
        EXPECT_GE(took, modelled);
    }
}

// What can be done in so little time is, in one of a hundred tries: a busy machine takes longer whenever it likes.
template <class Try>
bool once(Try attempt) {
    for (int i = 0; i < 100; ++i) {
        if (attempt()) return true;
    }
    return false;
}

TEST(emulated_link, pageable_copies_are_slower_and_keep_the_caller) {
    const auto on = make(0, 40 * mib, slow_link);
    copier pinned(*on, 10 * mib, true), pageable(*on, 10 * mib, false);
    const auto modelled = std::chrono::nanoseconds(slow_link.engine_ns(true, 10 * mib));
    for (const direction d : {direction::host_to_device, direction::device_to_host}) {
        const bool returned_early = once([&] {
            const auto returns = time_of([&] { pinned.start(d); });
            pinned.finish();
            return returns < modelled / 2;
        });
        const auto slow_returns = time_of([&] { pageable.start(d); });
        const auto slow_whole = slow_returns + time_of([&] { pageable.finish(); });
        EXPECT_TRUE(returned_early);
        EXPECT_GE(slow_returns, modelled);
        EXPECT_GE(slow_whole, 2 * modelled);
    }
}

TEST(emulated_link, copies_of_one_direction_queue_and_those_of_two_overlap) {
    const auto on = make(0, 50 * mib, slow_link);
    copier a(*on, 20 * mib, true), b(*on, 20 * mib, true);
    const std::chrono::nanoseconds one(slow_link.engine_ns(true, 20 * mib));
    const auto same = time_of([&] {
        a.start(direction::host_to_device);
        b.start(direction::host_to_device);
        a.finish();
        b.finish();
    });
    EXPECT_GE(same, 2 * one);
    EXPECT_TRUE(once([&] {
        const auto both = time_of([&] {
            a.start(direction::host_to_device);
            b.start(direction::device_to_host);
            a.finish();
            b.finish();
        });
        return both < 1.8 * one;
    }));
}

TEST(emulated_link, devices_have_links_of_their_own) {
    const auto first = make(0, 20 * mib, slow_link), second = make(1, 20 * mib, slow_link);
    copier a(*first, 20 * mib, true), b(*second, 20 * mib, true);
    std::uint64_t rounds = 0;
    EXPECT_TRUE(once([&] {
        ++rounds;
        const auto took = time_of([&] {
            a.start(direction::host_to_device);
            b.start(direction::host_to_device);
            a.finish();
            b.finish();
        });
        return took < 1.8 * std::chrono::nanoseconds(slow_link.engine_ns(true, 20 * mib));
    }));
    EXPECT_EQ(first->book().transfers(direction::host_to_device).count, rounds);
    EXPECT_EQ(second->book().transfers(direction::host_to_device).count, rounds);
}

TEST(emulated_link, the_ledger_is_charged_the_modelled_time_and_not_the_measured_one) {
    const link_model l{"l", 1000, 1e9, 2e9, 0.5};
    const auto on = make(0, mib, l);
    const auto charged = [&] {
        return std::pair(on->book().link_ns(direction::host_to_device), on->book().link_ns(direction::device_to_host));
    };
    copier pinned(*on, 1000, true), pageable(*on, 1000, false);
    pinned.start(direction::host_to_device);
    pinned.finish();
    EXPECT_EQ(charged(), std::pair(2000ul, 0ul));
    pageable.start(direction::host_to_device);
    pageable.start(direction::device_to_host);
    pageable.finish();
    EXPECT_EQ(charged(), std::pair(2000ul + 3000ul, 2000ul));
    EXPECT_EQ(l.copy_ns(true, 1000, false), 3000);
}

TEST(emulated_link, the_model_splits_a_pageable_copy_between_host_and_engine) {
    const link_model l{"l", 1000, 1e9, 2e9, 0.5};
    EXPECT_EQ(l.engine_ns(true, 1000), 2000);
    EXPECT_EQ(l.engine_ns(false, 1000), 1500);
    EXPECT_EQ(l.staging_ns(true, 1000), 1000);
    EXPECT_EQ(l.staging_ns(false, 1000), 500);
    EXPECT_EQ(no_link.engine_ns(true, mib), 0);
    EXPECT_EQ(no_link.staging_ns(true, mib), 0);
}

// ---- by name

TEST(open_devices, opens_what_is_asked_for) {
    const auto one = open_devices({"auto", mib, "pcie4"});
    ASSERT_OK(one);
    ASSERT_EQ(one->size(), 1u);
    const auto four = open_devices({"emulated:4", mib, "none"});
    ASSERT_OK(four);
    ASSERT_EQ(four->size(), 4u);
    for (int i = 0; i < 4; ++i) {
        const device& d = *(*four)[static_cast<std::size_t>(i)];
        EXPECT_EQ(d.kind(), device_kind::emulated);
        EXPECT_EQ(d.index(), i);
    }
}

TEST(open_devices, says_what_there_is_for_what_there_is_not) {
    const struct {
        device_request request;
        errc code;
        const char* says;
    } wrong[] = {
        {{"emulted", mib, "none"},
         errc::invalid_argument,
         "did you mean 'emulated'?; choose one of: auto, cpu, emulated[:N], cuda"},
        {{"cpu:2", mib, "none"}, errc::invalid_argument, "the CPU is one device"},
        {{"", mib, "none"}, errc::invalid_argument, "choose one of: auto, cpu"},
        {{"emulated:0", mib, "none"}, errc::invalid_argument, "emulated:N takes 1 to 16"},
        {{"emulated:17", mib, "none"}, errc::invalid_argument, "emulated:N takes 1 to 16"},
        {{"emulated:2x", mib, "none"}, errc::invalid_argument, "'2x' is not a number"},
        {{"emulated:", mib, "none"}, errc::invalid_argument, "emulated:N takes"},
        {{"emulated", mib, "pcie6"}, errc::invalid_argument, "choose one of: none, pcie3, pcie4, pcie5"},
        {{"emulated", 0, "none"}, errc::invalid_argument, "above 0"},
        {{"emulated", std::size_t{1} << 60, "none"}, errc::out_of_memory, "lower --device-memory"},
    };
    for (const auto& w : wrong) {
        const auto opened = open_devices(w.request);
        ASSERT_FALSE(opened) << w.request.name;
        EXPECT_EQ(opened.error().code, w.code) << opened.error().message;
        EXPECT_THAT(opened.error().message, HasSubstr(w.says));
    }
}

}  // namespace
}  // namespace faceflow::internal
