// SPDX-License-Identifier: Apache-2.0
// Clients and servers that do not keep to the protocol of shared frames.
#include <sys/socket.h>

#include <thread>

#include "ipc/share_protocol.hpp"
#include "share_testing.hpp"

namespace faceflow::internal::share {
namespace {

using namespace testing_share;
using ipc::share_message;
using testing::HasSubstr;

std::uint16_t kind(share_message m) {
    return static_cast<std::uint16_t>(m);
}

class share_misuse : public share_test {
protected:
    ipc::channel connect() const { return ipc::connect_to(path, test::soon()).value(); }
    // What the server says to a greeting, when it is a refusal.
    std::string refusal_of(const ipc::share_hello& hello) const {
        auto c = connect();
        EXPECT_OK(c.send(kind(share_message::hello), hello, test::soon()));
        const auto m = c.receive(test::soon());
        if (!m || m->kind != kind(share_message::refusal)) return "";
        return ipc::read_share_refusal(*m).message;
    }
};

TEST_F(share_misuse, another_version_is_refused_and_told_which) {
    ipc::share_hello hello;
    hello.version = 7;
    const std::string said = refusal_of(hello);
    EXPECT_THAT(said, HasSubstr("version 7"));
    EXPECT_THAT(said, HasSubstr("version " + std::to_string(ipc::share_version)));
    EXPECT_EQ(server->counts().refused, 1u);
    EXPECT_EQ(server->counts().malformed, 0u);
}

TEST_F(share_misuse, greetings_that_make_no_sense_are_refused_and_counted) {
    ipc::share_hello none, many, policy;
    none.leases = 0;
    many.leases = 65;
    policy.policy = static_cast<ipc::share_policy>(9);
    for (const auto& hello : {none, many, policy})
        EXPECT_THAT(refusal_of(hello), HasSubstr("given up"));
    EXPECT_EQ(server->counts().malformed, 3u);
    auto long_winded = connect();
    EXPECT_OK(
        long_winded.send(kind(share_message::hello), std::array<std::uint32_t, 25>{ipc::share_version}, test::soon()));
    EXPECT_EQ(long_winded.receive(test::soon()).value().kind, kind(share_message::refusal));
    EXPECT_EQ(server->counts().malformed, 4u);
    auto generous = connect();
    const std::array<int, 2> gifts{0, 1};
    EXPECT_OK(generous.send(kind(share_message::hello), ipc::share_hello{}, test::soon(), gifts));
    EXPECT_EQ(generous.receive(test::soon()).value().kind, kind(share_message::refusal));
    EXPECT_EQ(server->counts().malformed, 5u);
    // No message at all: what is left of it unread may cut the answer off.
    auto stranger = connect();
    const std::string_view request = "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n";
    ASSERT_GT(::send(stranger.descriptor(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    EXPECT_TRUE(eventually([&] { return server->counts().malformed == 6; }));
    EXPECT_EQ(server->counts().connected, 0u);
}

TEST_F(share_misuse, a_client_that_speaks_on_after_its_greeting_is_hung_up_on_and_no_other) {
    test_client other(path);
    auto c = connect();
    EXPECT_OK(c.send(kind(share_message::hello), ipc::share_hello{}, test::soon()));
    ASSERT_EQ(c.receive(test::soon())->kind, kind(share_message::welcome));
    publish(0);
    EXPECT_OK(c.send(kind(share_message::frame), ipc::share_frame{}, test::soon()));
    ASSERT_TRUE(eventually([&] { return server->counts().connected == 1; }));
    EXPECT_EQ(server->counts().malformed, 1u);
    EXPECT_EQ(server->counts().taken_back, 1u);
    publish(1);
    EXPECT_NE(other.next(), nullptr);
    EXPECT_NE(other.next(), nullptr) << other.error();
}

TEST_F(share_misuse, words_that_a_client_scribbles_over_harm_nobody_else) {
    test_client other(path);
    auto c = connect();
    EXPECT_OK(c.send(kind(share_message::hello), ipc::share_hello{}, test::soon()));
    auto welcome = c.receive(test::soon());
    ASSERT_OK(welcome);
    auto page = ipc::control_page::open(std::move(welcome->descriptors.at(0)), 4, access::read_write);
    ASSERT_OK(page);
    for (std::uint64_t i = 0; i < 100; ++i) {
        for (std::size_t word = 0; word < 4; ++word)
            (*page)[word].value = i % 2 == 0 ? UINT64_MAX : 0;
        publish(i);
        const auto f = other.next();
        ASSERT_NE(f, nullptr) << other.error();
        expect_same(f, picture(i).view);
    }
    EXPECT_EQ(server->counts().connected, 2u);
}

// A server in the hands of the test: greets one client and goes on as told.
class false_server {
public:
    explicit false_server(const std::filesystem::path& path) : door_(ipc::listener::open(path).value()) {}
    template <class Work>
    void serve(Work work) {
        thread_ = std::thread([this, work] {
            auto c = door_.accept(test::soon()).value();
            const auto hello = c.receive(test::soon());
            auto page = ipc::control_page::create(4).value();
            const std::array<int, 1> descriptors{page.descriptor()};
            const ipc::share_welcome welcome{ipc::share_version, 4, 1, 0};
            EXPECT_OK(c.send(kind(share_message::welcome), welcome, test::soon(), descriptors));
            work(c, page);
        });
    }
    ~false_server() { thread_.join(); }

private:
    ipc::listener door_;
    std::thread thread_;
};

struct client_misuse : testing::Test {
    // What a client makes of a server that goes on so.
    template <class Work>
    int status_after(Work work) {
        false_server s(path);
        s.serve(work);
        test_client c(path);
        EXPECT_EQ(c.status, FF_OK) << c.error();
        EXPECT_EQ(c.next(), nullptr);
        EXPECT_FALSE(c.error().empty());
        return c.status;
    }
    static ipc::share_frame good_frame() {
        ipc::share_frame f;
        f.serial = 1;
        f.picture = facts_of(test::random_picture(pixel_format::nv12, 64, 48, 1).view);
        return f;
    }
    const test::temporary_folder folder;
    const std::filesystem::path path = folder / "share.sock";
};

TEST_F(client_misuse, a_server_that_vanishes_is_lost) {
    EXPECT_EQ(status_after([](ipc::channel&, ipc::control_page&) {}), FF_E_LOST);
}

TEST_F(client_misuse, frames_outside_of_passed_memory_are_refused) {
    const auto announce = [](ipc::share_frame f, std::optional<ipc::share_slab> slab, std::size_t memory_bytes) {
        return [f, slab, memory_bytes](ipc::channel& c, ipc::control_page& page) {
            if (slab) {
                const auto memory = make_sealed_memory("test", memory_bytes).value();
                const std::array<int, 1> descriptors{memory.get()};
                EXPECT_OK(c.send(kind(share_message::slab), *slab, test::soon(), descriptors));
            }
            page[0].value = ipc::place_word::given(f.serial);
            // The client may have hung up by now.
            [[maybe_unused]] const auto told = c.send(kind(share_message::frame), f, test::soon());
        };
    };
    const ipc::share_slab slab{0, 2, 8192, 0, device_kind::cpu, {}};
    auto frame = good_frame();
    EXPECT_EQ(status_after(announce(frame, std::nullopt, 0)), FF_E_CORRUPT) << "in no slab";
    EXPECT_EQ(status_after(announce(frame, slab, 8192)), FF_E_CORRUPT) << "a slab beyond its memory";
    frame.slot = 2;
    EXPECT_EQ(status_after(announce(frame, slab, 16384)), FF_E_CORRUPT) << "a slot beyond the slab";
    frame.slot = 0;
    frame.picture.width = 4096;
    EXPECT_EQ(status_after(announce(frame, slab, 16384)), FF_E_CORRUPT) << "larger than its slot";
}

TEST_F(client_misuse, other_messages_than_due_are_refused) {
    for (const std::uint16_t wrong : std::array<std::uint16_t, 4>{0, 100, 101, 999}) {
        EXPECT_EQ(status_after([wrong](ipc::channel& c, ipc::control_page&) {
                      EXPECT_OK(c.send(wrong, std::array<char, 16>{}, test::soon()));
                  }),
                  FF_E_CORRUPT);
    }
}

TEST_F(client_misuse, arguments_that_make_no_sense_are_told) {
    test_client many(path, 65);
    EXPECT_EQ(many.status, FF_E_ARGUMENT);
    EXPECT_THAT(many.error(), HasSubstr("64"));
    test_client odd(path, 4, FF_FIFO, 2);
    EXPECT_EQ(odd.status, FF_E_ARGUMENT);
    EXPECT_THAT(odd.error(), HasSubstr("anticipate"));
    ff_frame* f = nullptr;
    EXPECT_EQ(ff_next(many.get(), 0, &f), FF_E_ARGUMENT);
    EXPECT_EQ(ff_next(nullptr, 0, &f), FF_E_ARGUMENT);
    EXPECT_EQ(ff_client_descriptor(many.get()), -1);
    ff_frame_release(nullptr);
    ff_client_close(nullptr);
}

}  // namespace
}  // namespace faceflow::internal::share
