// SPDX-License-Identifier: Apache-2.0
// What every device promises about memory and streams of several processes. Only what needs no second process touches the
// exporting device's own memory a second time: CUDA imports into other processes alone.
#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "devices.hpp"
#include "ipc/control_page.hpp"
#include "peer.hpp"

namespace faceflow::internal {
namespace {

using test::host_memory;
using test::no_tasks;
using namespace std::chrono_literals;

class sharing_conformance : public test::device_conformance {
protected:
    static constexpr std::size_t bytes = 100'000;
    device_request peer_request() { return GetParam().request; }
    void upload(stream& s, std::byte* to, int value) {
        const host_memory host(on(), bytes, true);
        host.fill(value);
        ASSERT_OK(transfer(s, direction::host_to_device, to, host.block(), bytes, at_));
        ASSERT_OK(finish(s));
    }
    bool holds(stream& s, std::byte* from, int value) {
        const host_memory host(on(), bytes, true);
        return transfer(s, direction::device_to_host, from, host.block(), bytes, at_) && finish(s) && host.holds(value);
    }
    // Words that the device knows.
    class known_page {
    public:
        known_page(device& on, std::size_t words) : on_(on), page_(ipc::control_page::create(words).value()) {
            registered_ = on.register_semaphores(page_.pages());
        }
        ~known_page() { on_.unregister_semaphores(page_.pages()); }
        semaphore& operator[](std::size_t i) { return page_[i]; }
        int descriptor() const { return page_.descriptor(); }
        const result<void>& registered() const { return registered_; }

    private:
        device& on_;
        ipc::control_page page_;
        result<void> registered_;
    };
};

INSTANTIATE_TEST_SUITE_P(every, sharing_conformance, testing::ValuesIn(test::every_device()),
                         [](const auto& chosen) { return chosen.param.label; });

TEST_P(sharing_conformance, another_process_works_on_the_same_memory_in_the_order_of_timelines) {
    const auto memory = this->memory(bytes);
    known_page page(on(), 2);
    ASSERT_OK(page.registered());
    auto exported = on().export_memory(memory.data(), bytes);
    ASSERT_OK(exported);
    auto peer = test::start_peer({"share", GetParam().request.name});
    const std::vector<int> descriptors{exported->descriptor.get(), page.descriptor()};
    ASSERT_OK(peer.to.send(1, exported->where, test::soon(), descriptors));
    const auto s = new_stream();
    const host_memory up(on(), bytes, true), down(on(), bytes, true);
    up.fill(40);
    ASSERT_OK(transfer(*s, direction::host_to_device, memory.data(), up.block(), bytes, at_));
    s->signal(page[0], 1);
    s->wait(page[1], 1);
    ASSERT_OK(transfer(*s, direction::device_to_host, memory.data(), down.block(), bytes, at_));
    ASSERT_OK(finish(*s));
    EXPECT_TRUE(down.holds(41));
    const auto ended = peer.child.wait_for(test::soon());
    ASSERT_TRUE(ended);
    EXPECT_TRUE(ended->clean()) << ended->in_words();
}

TEST_P(sharing_conformance, an_import_reaches_the_bytes_of_the_export_and_outlives_it) {
    if (!on().computes_on_host()) GTEST_SKIP() << "CUDA imports into other processes alone";
    const auto s = new_stream();
    std::unique_ptr<memory_import> import;
    {
        const auto first = memory(300), second = memory(bytes);
        upload(*s, second.data(), 9);
        const auto exported = on().export_memory(second.data(), bytes).value();
        auto imported = on().import_memory(exported, access::read_write);
        ASSERT_OK(imported);
        import = std::move(*imported);
        EXPECT_EQ(import->bytes(), bytes);
        EXPECT_NE(import->data(), second.data());
        EXPECT_TRUE(holds(*s, import->data(), 9));
        upload(*s, import->data(), 10);
        EXPECT_TRUE(holds(*s, second.data(), 10));
        EXPECT_EQ(on().kernel_address(import->data())[bytes - 1], std::byte{10});
    }
    EXPECT_EQ(on().pool().used_bytes(), 0u);
    upload(*s, import->data(), 11);
    EXPECT_TRUE(holds(*s, import->data(), 11));
}

TEST_P(sharing_conformance, an_export_that_is_none_is_refused) {
    const auto memory = this->memory(bytes);
    auto exported = on().export_memory(memory.data(), bytes);
    ASSERT_OK(exported);
    const auto refused = [&](const memory_location& where, unique_fd descriptor) {
        const auto made = on().import_memory({where, std::move(descriptor)}, access::read_write);
        EXPECT_FALSE(made);
        return made ? errc::internal : made.error().code;
    };
    memory_location other = exported->where;
    other.kind = on().kind() == device_kind::cpu ? device_kind::emulated : device_kind::cpu;
    EXPECT_EQ(refused(other, exported->descriptor.duplicate()), errc::invalid_argument);
    EXPECT_EQ(refused(exported->where, unique_fd()), errc::invalid_argument);
    memory_location none = exported->where;
    none.bytes = 0;
    EXPECT_EQ(refused(none, exported->descriptor.duplicate()), errc::corrupt);
    if (!on().computes_on_host()) return;

    memory_location far = exported->where;
    far.bytes = std::size_t{1} << 30;
    EXPECT_EQ(refused(far, exported->descriptor.duplicate()), errc::corrupt);
    far = exported->where;
    far.offset = ~std::uint64_t{0} - 4096;
    EXPECT_EQ(refused(far, exported->descriptor.duplicate()), errc::corrupt);
    unique_fd unsealed(::memfd_create("test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(unsealed.get(), 1 << 20), 0);
    memory_location plain = exported->where;
    plain.offset = 0;
    EXPECT_EQ(refused(plain, std::move(unsealed)), errc::corrupt) << "it could shrink";
    EXPECT_EQ(refused(plain, unique_fd(::open("/dev/null", O_RDWR | O_CLOEXEC))), errc::corrupt);
}

TEST_P(sharing_conformance, foreign_memory_cannot_be_exported) {
    std::vector<std::byte> foreign(bytes);
    EXPECT_FALSE(on().export_memory(foreign.data(), bytes));
    const auto memory = this->memory(bytes);
    EXPECT_FALSE(on().export_memory(memory.data(), 0));
}

TEST_P(sharing_conformance, exporting_and_importing_leaves_no_descriptor_behind) {
    const auto memory = this->memory(bytes);
    ASSERT_OK(on().export_memory(memory.data(), bytes));  // a driver opens some of its own the first time
    const std::size_t before = test::open_descriptors();
    for (int i = 0; i < 20; ++i) {
        const auto exported = on().export_memory(memory.data(), bytes);
        ASSERT_OK(exported);
        if (on().computes_on_host()) {
            ASSERT_OK(on().import_memory(*exported, access::read_only));
        }
    }
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST_P(sharing_conformance, a_signal_comes_after_the_work_before_it) {
    known_page page(on(), 1);
    ASSERT_OK(page.registered());
    const auto s = new_stream();
    s->signal(page[0], 3);
    ASSERT_OK(finish(*s));
    EXPECT_EQ(page[0].value, 3u);
    if (!on().computes_on_host()) return;
    std::uint64_t seen = 0;
    s->run([&]() -> result<void> {
        std::this_thread::sleep_for(2ms);
        seen = page[0].value;
        return {};
    });
    s->signal(page[0], 4);
    EXPECT_TRUE(wait_until(page[0], 4, test::soon()));
    EXPECT_EQ(seen, 3u);
}

TEST_P(sharing_conformance, a_failed_stream_signals_all_the_same) {
    if (!on().computes_on_host()) GTEST_SKIP() << no_tasks;
    known_page page(on(), 1);
    const auto s = new_stream();
    s->run([]() -> result<void> { return fail(errc::corrupt, "no good"); });
    s->signal(page[0], 1);
    EXPECT_FALSE(finish(*s));
    EXPECT_EQ(page[0].value, 1u);
}

TEST_P(sharing_conformance, a_stream_waits_for_a_word_and_the_host_does_not) {
    known_page page(on(), 2);
    ASSERT_OK(page.registered());
    const auto s = new_stream();
    // Where work runs on the calling thread, somebody else raises the word.
    std::thread other([&] {
        std::this_thread::sleep_for(20ms);
        raise(page[0], 5);
    });
    s->wait(page[0], 5);
    if (asynchronous()) {
        EXPECT_LT(page[0].value, 5u);
    }
    s->signal(page[1], 1);
    ASSERT_OK(finish(*s));
    EXPECT_EQ(page[0].value, 5u);
    EXPECT_EQ(page[1].value, 1u);
    other.join();
}

TEST_P(sharing_conformance, a_stream_that_waits_for_a_dead_process_goes_on_when_anybody_raises_the_word) {
    known_page page(on(), 1);
    ASSERT_OK(page.registered());
    const auto s = new_stream();
    std::thread supervisor([&] {
        std::this_thread::sleep_for(5ms);
        raise(page[0], semaphore_end);
    });
    s->wait(page[0], 1'000'000);
    EXPECT_OK(finish(*s));
    supervisor.join();
}

TEST_P(sharing_conformance, two_streams_hand_a_buffer_back_and_forth_by_timelines) {
    if (!on().computes_on_host() || !asynchronous()) GTEST_SKIP() << "needs tasks on threads of their own";
    constexpr std::uint64_t rounds = 300;
    known_page page(on(), 2);
    const auto producer = new_stream("producer"), consumer = new_stream("consumer");
    std::uint64_t value = 0, wrong = 0;
    for (std::uint64_t i = 1; i <= rounds; ++i) {
        producer->wait(page[1], i - 1);
        producer->run([&value, i]() -> result<void> {
            value = i;
            return {};
        });
        producer->signal(page[0], i);
        consumer->wait(page[0], i);
        consumer->run([&value, &wrong, i]() -> result<void> {
            wrong += value != i;
            return {};
        });
        consumer->signal(page[1], i);
    }
    EXPECT_EQ(syncs(), 0u);
    ASSERT_OK(finish(*consumer));
    ASSERT_OK(finish(*producer));
    EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace faceflow::internal
