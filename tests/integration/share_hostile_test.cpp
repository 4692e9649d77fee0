// SPDX-License-Identifier: Apache-2.0
// One client must not stop a share, and no server a client.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "ipc/share_page.hpp"
#include "ipc/share_protocol.hpp"
#include "limits.hpp"
#include "no_threads.hpp"
#include "share_testing.hpp"

namespace faceflow::internal::share {
namespace {

using namespace testing_share;
using ipc::share_message;
using testing::HasSubstr;

std::uint16_t number_of(share_message m) {
    return static_cast<std::uint16_t>(m);
}

// Of this thread so far.
double processor_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_THREAD, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class hostile_client : public share_test {
protected:
    ipc::channel connect() const { return ipc::connect_to(path, test::soon()).value(); }
    // What a good client gets, while others do what they do.
    void expect_service(std::uint64_t sequence) {
        test_client good(path);
        ASSERT_EQ(good.status, FF_OK) << good.error();
        publish(sequence);
        const auto f = good.next();
        ASSERT_NE(f, nullptr) << good.error();
        expect_same(f, picture(sequence).view);
    }
    static std::vector<std::byte> greeting() {
        ipc::message_header header;
        header.kind = number_of(share_message::hello);
        header.body_bytes = sizeof(ipc::share_hello);
        const auto encoded = ipc::encode_header(header);
        std::vector<std::byte> bytes(encoded.begin(), encoded.end());
        bytes.resize(bytes.size() + sizeof(ipc::share_hello));
        const ipc::share_hello hello;
        std::memcpy(bytes.data() + encoded.size(), &hello, sizeof hello);
        return bytes;
    }
};

TEST_F(hostile_client, one_that_says_a_byte_at_a_time_keeps_nobody_out_and_is_let_in_itself) {
    const auto bytes = greeting();
    std::vector<ipc::channel> slow;
    for (int i = 0; i < 20; ++i)
        slow.push_back(connect());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        for (const auto& c : slow)
            ASSERT_EQ(::send(c.descriptor(), &bytes[i], 1, MSG_NOSIGNAL), 1);
        if (i % 8 == 0) expect_service(i);
    }
    // A lease each at least, as far as there are any.
    std::size_t welcome = 0;
    for (auto& c : slow) {
        const auto m = c.receive(test::soon());
        ASSERT_OK(m);
        welcome += m->kind == number_of(share_message::welcome) ? 1 : 0;
    }
    EXPECT_GT(welcome, 10u);
    EXPECT_EQ(server->counts().malformed, 0u);
}

// A whole socket full of descriptors, from many at once.
TEST_F(hostile_client, descriptors_that_clients_send_are_not_even_taken) {
    const std::size_t before = test::open_descriptors();
    const auto bytes = greeting();
    std::vector<ipc::channel> generous;
    for (int i = 0; i < 20; ++i) {
        generous.push_back(connect());
        for (const std::byte& b : bytes) {
            std::array<char, CMSG_SPACE(sizeof(int) * 200)> control{};
            iovec part{const_cast<std::byte*>(&b), 1};
            msghdr m{};
            m.msg_iov = &part;
            m.msg_iovlen = 1;
            m.msg_control = control.data();
            m.msg_controllen = control.size();
            cmsghdr* const c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int) * 200);
            const std::vector<int> descriptors(200, 2);
            std::memcpy(CMSG_DATA(c), descriptors.data(), sizeof(int) * 200);
            if (::sendmsg(generous.back().descriptor(), &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
        }
    }
    EXPECT_TRUE(eventually([&] { return server->counts().malformed == 20; })) << server->counts().malformed;
    expect_service(0);
    generous.clear();
    EXPECT_TRUE(eventually([&] { return test::open_descriptors() <= before + 4; })) << "a slab's alone";
}

TEST_F(hostile_client, one_that_announces_a_large_greeting_is_refused_before_it_comes) {
    auto c = connect();
    ipc::message_header header;
    header.kind = number_of(share_message::hello);
    header.body_bytes = ipc::max_body_bytes;
    const auto encoded = ipc::encode_header(header);
    ASSERT_GT(::send(c.descriptor(), encoded.data(), encoded.size(), MSG_NOSIGNAL), 0);
    EXPECT_TRUE(eventually([&] { return server->counts().malformed == 1; }));
}

TEST_F(hostile_client, without_descriptors_who_is_in_is_served_and_others_come_in_later) {
    if (test::sanitized) GTEST_SKIP() << test::no_descriptors_for_sanitizers;
    test_client in(path);
    publish(0);
    ASSERT_NE(in.next(), nullptr);
    // Held back by the limit is the server's end; the client has its own already.
    unique_fd waiting(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    {
        const test::no_more_descriptors none;
        ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        for (std::uint64_t i = 1; i < 20; ++i) {
            publish(i);
            ASSERT_NE(in.next(), nullptr) << in.error();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        EXPECT_EQ(server->counts().connected, 1u);
    }
    auto late = ipc::channel::adopt(std::move(waiting)).value();
    EXPECT_OK(late.send(number_of(share_message::hello), ipc::share_hello{}, test::soon()));
    const auto m = late.receive(test::soon());
    ASSERT_OK(m);
    EXPECT_EQ(m->kind, number_of(share_message::welcome));
}

TEST_F(hostile_client, memory_that_was_passed_cannot_be_written_by_any_descriptor) {
    test_client c(path);
    publish(0);
    const auto f = c.next();
    ASSERT_NE(f, nullptr);
    ff_memory memory{};
    ASSERT_EQ(ff_frame_get_memory(f.get(), &memory, sizeof memory), FF_OK);
    const unique_fd anew(::open(("/proc/self/fd/" + std::to_string(memory.fd)).c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(anew) << "the way that is shut is not this one";
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, anew.get(), 0), MAP_FAILED);
    EXPECT_LT(::pwrite(anew.get(), "x", 1, 0), 0);
    publish(1);
    EXPECT_NE(c.next(), nullptr) << "and the server writes as before";
}

TEST_F(hostile_client, a_forked_child_gives_nothing_of_its_parents_back) {
    test_client c(path, 2);
    publish(0);
    auto f = c.next();
    ASSERT_NE(f, nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ff_frame* more = nullptr;
        const bool refused = ff_next(c.get(), 0, &more) == FF_E_ARGUMENT;
        f.reset();
        c.close();
        ::_exit(refused ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "the child took frames from its parent's connection";
    // The slot is not written again while the parent reads it.
    for (std::uint64_t i = 1; i < 100; ++i)
        publish(i);
    expect_same(f, picture(0).view);
    EXPECT_EQ(c.stats().held, 1u);
    f.reset();
    EXPECT_NE(c.next(), nullptr);
}

TEST_F(hostile_client, a_server_without_a_thread_is_an_error) {
    server.reset();
    const no_threads none;
    server_options o;
    o.socket = path;
    const auto opened = share_server::open(*devices.front(), o);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::unavailable);
    EXPECT_THAT(opened.error().message, HasSubstr("clients of the share"));
    EXPECT_FALSE(std::filesystem::exists(path)) << "its socket is gone, too";
}

// ---- servers

// Greets one client, and goes on as told.
class lying_server {
    static ipc::listener opened(const std::filesystem::path& path) {
        auto door = ipc::listener::open(path);
        EXPECT_OK(door);
        return std::move(*door);
    }

public:
    explicit lying_server(const std::filesystem::path& path) : door_(opened(path)) {}
    template <class Work>
    void serve(Work work) {
        thread_ = std::thread([this, work] {
            auto c = door_.accept(test::soon()).value();
            static_cast<void>(c.receive(test::soon()));
            work(c);
        });
    }
    ~lying_server() { thread_.join(); }

private:
    ipc::listener door_;
    std::thread thread_;
};

struct hostile_server : testing::Test {
    static void welcome(ipc::channel& c, int page) {
        const std::array<int, 1> descriptors{page};
        const ipc::share_welcome body{ipc::share_version, 4, 1, 0};
        EXPECT_OK(c.send(number_of(share_message::welcome), body, test::soon(), descriptors));
    }
    static unique_fd huge_page() {
        unique_fd huge(::memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
        if (huge) {
            EXPECT_EQ(::ftruncate(huge.get(), 2 << 20), 0);
            EXPECT_EQ(::fcntl(huge.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        }
        return huge;
    }
    const test::temporary_folder folder;
    const std::filesystem::path path = folder / "share.sock";
};

TEST_F(hostile_server, a_page_of_huge_memory_is_refused) {
    const unique_fd huge = huge_page();
    if (!huge) GTEST_SKIP() << "this kernel has no huge pages";
    lying_server s(path);
    s.serve([&](ipc::channel& c) { welcome(c, huge.get()); });
    const test_client c(path);
    EXPECT_EQ(c.status, FF_E_CORRUPT) << c.error();
}

TEST_F(hostile_server, a_slab_of_huge_memory_is_refused) {
    const unique_fd huge = huge_page();
    if (!huge) GTEST_SKIP() << "this kernel has no huge pages";
    lying_server s(path);
    auto page = ipc::share_page::create(4).value();
    s.serve([&](ipc::channel& c) {
        welcome(c, page.descriptor());
        const std::array<int, 1> memory{huge.get()};
        const ipc::share_slab slab{0, 2, 8192, 0, device_kind::cpu, {}};
        EXPECT_OK(c.send(number_of(share_message::slab), slab, test::soon(), memory));
    });
    test_client c(path);
    EXPECT_EQ(c.next(), nullptr);
    EXPECT_EQ(c.status, FF_E_CORRUPT) << c.error();
}

TEST_F(hostile_server, a_bell_beyond_its_end_ends_the_waiting) {
    auto page = ipc::share_page::create(4).value();
    page.bell().value = UINT64_MAX;
    std::atomic<bool> over{false};
    lying_server s(path);
    s.serve([&](ipc::channel& c) {
        welcome(c, page.descriptor());
        while (!over)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    test_client c(path);
    EXPECT_EQ(c.next(60'000), nullptr);
    EXPECT_EQ(c.status, FF_E_CORRUPT) << c.error();
    over = true;
}

// However often it rings: the client sleeps in between.
TEST_F(hostile_server, a_bell_that_rings_for_nothing_does_not_keep_a_core_busy) {
    auto page = ipc::share_page::create(4).value();
    std::atomic<bool> over{false};
    lying_server s(path);
    s.serve([&](ipc::channel& c) {
        welcome(c, page.descriptor());
        for (std::uint64_t n = 1; !over; ++n)
            page.bell().value = n;
    });
    test_client c(path);
    const double before = processor_seconds();
    EXPECT_EQ(c.next(300), nullptr);
    EXPECT_EQ(c.status, FF_TIMEOUT);
    // What it takes of a processor, however little there is of one.
    EXPECT_LT(processor_seconds() - before, 0.1);
    over = true;
}

TEST_F(hostile_server, what_it_says_is_shown_without_what_steers_a_terminal) {
    lying_server s(path);
    s.serve([&](ipc::channel& c) {
        const std::string_view text = "\x1b[2J\x1b]0;owned\x07 no room\xc2\x9b";
        const ipc::share_refusal head{ipc::share_version, errc::unavailable};
        std::vector<std::byte> body(sizeof head + text.size());
        std::memcpy(body.data(), &head, sizeof head);
        std::memcpy(body.data() + sizeof head, text.data(), text.size());
        EXPECT_OK(c.send(number_of(share_message::refusal), body, {}, {}, test::soon()));
    });
    const test_client c(path);
    EXPECT_EQ(c.status, FF_E_REFUSED);
    EXPECT_EQ(c.error(), "?[2J?]0;owned? no room?");
}

TEST_F(hostile_server, one_that_says_a_byte_at_a_time_does_not_hold_the_client) {
    auto page = ipc::share_page::create(4).value();
    std::atomic<bool> over{false};
    lying_server s(path);
    s.serve([&](ipc::channel& c) {
        welcome(c, page.descriptor());
        const auto header = ipc::encode_header({});
        ASSERT_EQ(::send(c.descriptor(), header.data(), 5, MSG_NOSIGNAL), 5);
        while (!over)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    test_client c(path);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(c.next(5), nullptr);
        EXPECT_EQ(c.status, FF_TIMEOUT) << c.error();
    }
    over = true;
}

TEST_F(hostile_server, slabs_without_end_are_too_many) {
    lying_server s(path);
    auto page = ipc::share_page::create(4).value();
    const auto memory = make_sealed_memory("test", 16384).value();
    s.serve([&](ipc::channel& c) {
        welcome(c, page.descriptor());
        const std::array<int, 1> descriptors{memory.get()};
        for (std::uint32_t n = 0; n < 2000; ++n) {
            const ipc::share_slab slab{n, 2, 8192, 0, device_kind::cpu, {}};
            if (!c.send(number_of(share_message::slab), slab, test::soon(), descriptors)) return;
        }
    });
    test_client c(path);
    while (c.next(100) == nullptr && c.status == FF_TIMEOUT) {
    }
    EXPECT_TRUE(c.status == FF_E_CORRUPT) << c.status << c.error();
    c.close();
}

}  // namespace
}  // namespace faceflow::internal::share
