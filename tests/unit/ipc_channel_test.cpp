// SPDX-License-Identifier: Apache-2.0
// Messages between processes: whole, in order, bounded, and wrong ones told apart.
#include "ipc/channel.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

#include "peer.hpp"
#include "support.hpp"

namespace faceflow::internal::ipc {
namespace {

using test::in;
using test::soon;
using testing::HasSubstr;
using namespace std::chrono_literals;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::string text_of(const message& m) {
    return {reinterpret_cast<const char*>(m.body.data()), m.body.size()};
}

// Into `payload`, made as large as it must be.
channel::payload_target into(std::vector<std::byte>& payload) {
    return [&payload](const message& m) -> result<std::span<std::byte>> {
        payload.resize(m.payload_bytes);
        return std::span(payload);
    };
}

class two_ends : public testing::Test {
protected:
    std::pair<channel, channel> ends_ = channel::make_pair().value();
    channel& a_ = ends_.first;
    channel& b_ = ends_.second;

    // What `b_` says to these bytes, after which `a_` is closed.
    error told(std::span<const std::byte> bytes) {
        EXPECT_EQ(::send(a_.descriptor(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
        ::shutdown(a_.descriptor(), SHUT_WR);
        const auto received = b_.receive(soon(), 1000, [](const message&) -> result<std::span<std::byte>> {
            static std::array<std::byte, 1000> place;
            return std::span(place).first(10);
        });
        EXPECT_FALSE(received);
        return received ? error{} : received.error();
    }
    error told(const message_header& header) { return told(encode_header(header)); }
};

TEST_F(two_ends, a_message_arrives_with_its_kind_body_payload_and_descriptors) {
    std::vector<std::byte> sent(3'000'000), received;
    for (std::size_t i = 0; i < sent.size(); ++i)
        sent[i] = static_cast<std::byte>(i * 7);
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const unique_fd reads(pipe[0]), writes(pipe[1]);
    std::thread sender([&] { EXPECT_OK(a_.send(42, bytes_of("hello"), sent, std::vector{writes.get()}, soon())); });
    const auto m = b_.receive(soon(), sent.size(), into(received));
    sender.join();
    ASSERT_OK(m);
    EXPECT_EQ(m->kind, 42);
    EXPECT_EQ(text_of(*m), "hello");
    EXPECT_EQ(received, sent);
    ASSERT_EQ(m->descriptors.size(), 1u);
    EXPECT_NE(::fcntl(m->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
    ASSERT_EQ(::write(m->descriptors[0].get(), "x", 1), 1);
    char c = 0;
    EXPECT_EQ(::read(reads.get(), &c, 1), 1);
    EXPECT_EQ(c, 'x');
}

TEST_F(two_ends, messages_keep_their_order_and_their_descriptors) {
    const unique_fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (std::uint16_t i = 0; i < 20; ++i) {
        const std::vector<int> descriptors(i % 3, null.get());
        ASSERT_OK(a_.send(i, i, soon(), descriptors));
    }
    for (std::uint16_t i = 0; i < 20; ++i) {
        const auto m = b_.receive(soon());
        ASSERT_OK(m);
        EXPECT_EQ(body_as<std::uint16_t>(*m).value(), i);
        EXPECT_EQ(m->descriptors.size(), i % 3u);
    }
}

TEST_F(two_ends, nothing_in_time_is_a_timeout_and_the_channel_goes_on) {
    EXPECT_EQ(b_.receive(in(5ms)).error().code, errc::timeout);
    EXPECT_EQ(b_.receive(in(-5ms)).error().code, errc::timeout);
    ASSERT_OK(a_.send(1, 5, soon()));
    EXPECT_OK(b_.receive(in(0ms)));
}

TEST_F(two_ends, a_reader_that_does_not_read_is_a_timeout_of_the_sender) {
    const std::vector<std::byte> large(8 << 20);
    const auto stuck = a_.send(1, {}, large, {}, in(20ms));
    ASSERT_FALSE(stuck);
    EXPECT_EQ(stuck.error().code, errc::io) << "part of it is on its way";
    EXPECT_THAT(stuck.error().message, HasSubstr("stopped reading"));
    EXPECT_FALSE(a_.send(1, 1, soon())) << "it would be taken for the rest of the first";
}

TEST_F(two_ends, an_end_that_closes_between_messages_is_told_from_one_in_the_middle) {
    ASSERT_OK(a_.send(1, 5, soon()));
    a_ = channel::make_pair().value().first;
    EXPECT_OK(b_.receive(soon()));
    EXPECT_FALSE(b_.closed());
    EXPECT_EQ(b_.receive(soon()).error().code, errc::unavailable);
    EXPECT_TRUE(b_.closed());
}

TEST_F(two_ends, every_truncation_is_an_error_that_says_how_much_came) {
    message_header header;
    header.body_bytes = 6;
    header.payload_bytes = 10;
    std::vector<std::byte> whole(header_bytes + 16);
    const auto encoded = encode_header(header);
    std::copy(encoded.begin(), encoded.end(), whole.begin());
    for (std::size_t n = 1; n < whole.size(); ++n) {
        ends_ = channel::make_pair().value();
        const error e = told(std::span(whole).first(n));
        EXPECT_EQ(e.code, errc::io) << n;
        EXPECT_THAT(e.message, HasSubstr("after " + std::to_string(n) + " bytes")) << n;
    }
}

TEST_F(two_ends, the_rest_of_a_message_has_a_deadline_too) {
    const auto encoded = encode_header({});
    ASSERT_EQ(::send(a_.descriptor(), encoded.data(), 5, 0), 5);
    const auto late = b_.receive(in(10ms));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, errc::io);
    EXPECT_THAT(late.error().message, HasSubstr("did not come in time; 5 bytes did"));
    EXPECT_EQ(b_.receive(soon()).error().message, late.error().message) << "what follows has no beginning";
}

TEST_F(two_ends, a_stranger_is_told_from_another_version) {
    message_header header;
    header.magic = 0x12345678;
    EXPECT_THAT(told(header).message, HasSubstr("does not speak faceflow's protocol"));
    ends_ = channel::make_pair().value();
    header = {};
    header.version = 999;
    const error e = told(header);
    EXPECT_EQ(e.code, errc::unsupported);
    EXPECT_THAT(e.message, HasSubstr("version 999"));
}

TEST_F(two_ends, what_passes_a_limit_is_refused_before_it_is_read) {
    message_header header;
    header.body_bytes = max_body_bytes + 1;
    EXPECT_THAT(told(header).message, HasSubstr("a body of 1048577 bytes"));
    ends_ = channel::make_pair().value();
    header = {};
    header.payload_bytes = ~std::uint64_t{0};
    EXPECT_THAT(told(header).message, HasSubstr("1000 is the maximum"));
    ends_ = channel::make_pair().value();
    header = {};
    header.descriptors = max_descriptors + 1;
    EXPECT_THAT(told(header).message, HasSubstr("announces 9 descriptors"));
}

TEST_F(two_ends, a_sender_refuses_what_no_message_holds_and_goes_on) {
    const std::vector<std::byte> body(max_body_bytes + 1);
    EXPECT_EQ(a_.send(1, body, {}, {}, soon()).error().code, errc::invalid_argument);
    EXPECT_EQ(a_.send(1, {}, {}, std::vector<int>(9, 0), soon()).error().code, errc::invalid_argument);
    std::thread reader([&] { EXPECT_EQ(b_.receive(soon()).value().body.size(), max_body_bytes); });
    EXPECT_OK(a_.send(1, std::span(body).first(max_body_bytes), {}, {}, soon()));
    reader.join();
}

// As a program that is not ours might: a header, and descriptors that it does not announce.
void send_with_descriptors(int socket, const message_header& header, std::size_t count) {
    const auto encoded = encode_header(header);
    iovec part{const_cast<std::byte*>(encoded.data()), encoded.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 20)> control{};
    msghdr m{};
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    m.msg_control = control.data();
    m.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* const c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    const std::vector<int> descriptors(count, 0);
    std::memcpy(CMSG_DATA(c), descriptors.data(), sizeof(int) * count);
    ASSERT_EQ(::sendmsg(socket, &m, 0), static_cast<ssize_t>(encoded.size()));
}

// False once nobody receives.
bool send_byte_with_descriptors(int socket, std::byte byte, std::size_t count) {
    std::vector<char> control(CMSG_SPACE(sizeof(int) * count));
    iovec part{&byte, 1};
    msghdr m{};
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    m.msg_control = control.data();
    m.msg_controllen = control.size();
    cmsghdr* const c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    const std::vector<int> descriptors(count, 0);
    std::memcpy(CMSG_DATA(c), descriptors.data(), sizeof(int) * count);
    return ::sendmsg(socket, &m, MSG_NOSIGNAL) == 1;
}

TEST_F(two_ends, descriptors_that_were_not_announced_are_an_error_and_closed) {
    const std::size_t before = test::open_descriptors();
    for (const std::size_t count : {1u, 3u, 9u, 20u}) {
        ends_ = channel::make_pair().value();
        message_header header;
        header.descriptors = 2;
        send_with_descriptors(a_.descriptor(), header, count);
        const auto received = b_.receive(soon());
        ASSERT_FALSE(received) << count;
        EXPECT_EQ(received.error().code, errc::corrupt) << count;
        EXPECT_THAT(received.error().message, HasSubstr("descriptors")) << count;
    }
    EXPECT_EQ(test::open_descriptors(), before);
}

// A byte at a time, each with as many as a message may have.
TEST_F(two_ends, descriptors_are_not_collected_beyond_what_a_message_may_have) {
    const std::size_t before = test::open_descriptors();
    message_header header;
    header.descriptors = max_descriptors;
    header.body_bytes = 1000;
    const auto encoded = encode_header(header);
    std::vector<std::byte> bytes(encoded.begin(), encoded.end());
    bytes.resize(200);
    std::thread sender([&] {
        for (const std::byte& b : bytes) {
            if (!send_byte_with_descriptors(a_.descriptor(), b, max_descriptors)) return;
        }
    });
    std::size_t most = 0;
    std::atomic<bool> over{false};
    std::thread watcher([&] {
        while (!over)
            most = std::max(most, test::open_descriptors());
    });
    const auto received = b_.receive(soon());
    over = true;
    watcher.join();
    b_.close_down();
    sender.join();
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error().code, errc::corrupt);
    EXPECT_LE(most, before + 2 * max_descriptors + 2);
    ends_ = channel::make_pair().value();
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST_F(two_ends, what_has_come_is_taken_without_waiting_for_the_rest) {
    const std::string_view text = "whole";
    message_header header;
    header.kind = 9;
    header.body_bytes = static_cast<std::uint32_t>(text.size());
    const auto encoded = encode_header(header);
    std::vector<std::byte> bytes(encoded.begin(), encoded.end());
    const auto body = bytes_of(text);
    bytes.insert(bytes.end(), body.begin(), body.end());
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const auto early = b_.receive_some(100);
            ASSERT_OK(early);
            EXPECT_FALSE(*early);
            EXPECT_EQ(b_.in_mid_message(), i > 0);
            ASSERT_EQ(::send(a_.descriptor(), &bytes[i], 1, 0), 1);
        }
        const auto m = b_.receive_some(100);
        ASSERT_OK(m);
        ASSERT_TRUE(*m);
        EXPECT_EQ((*m)->kind, 9);
        EXPECT_EQ(text_of(**m), text);
        EXPECT_FALSE(b_.in_mid_message());
    }
}

TEST_F(two_ends, descriptors_that_nobody_asked_for_are_not_even_received) {
    const std::size_t before = test::open_descriptors();
    message_header header;
    send_with_descriptors(a_.descriptor(), header, 5);
    const auto received = b_.receive_some(100);
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error().code, errc::corrupt);
    EXPECT_EQ(test::open_descriptors(), before);
    EXPECT_FALSE(b_.receive_some(100)) << "of no more use";
}

TEST_F(two_ends, what_has_come_in_part_is_bounded_and_told_from_an_end) {
    message_header large;
    large.body_bytes = 101;
    const auto encoded = encode_header(large);
    ASSERT_GT(::send(a_.descriptor(), encoded.data(), encoded.size(), 0), 0);
    EXPECT_EQ(b_.receive_some(100).error().code, errc::corrupt);

    ends_ = channel::make_pair().value();
    ASSERT_EQ(::send(a_.descriptor(), encoded.data(), 10, 0), 10);
    ::shutdown(a_.descriptor(), SHUT_WR);
    EXPECT_EQ(b_.receive_some(200).error().code, errc::io);
    EXPECT_TRUE(b_.closed());

    ends_ = channel::make_pair().value();
    ::shutdown(a_.descriptor(), SHUT_WR);
    EXPECT_EQ(b_.receive_some(200).error().code, errc::unavailable);
}

TEST_F(two_ends, announced_descriptors_that_do_not_come_are_an_error) {
    message_header header;
    header.descriptors = 1;
    EXPECT_THAT(told(header).message, HasSubstr("came with 0 descriptors and announces 1"));
}

TEST_F(two_ends, a_payload_without_a_place_is_the_receivers_error) {
    const std::vector<std::byte> payload(100);
    ASSERT_OK(a_.send(1, {}, payload, {}, soon()));
    const auto full = b_.receive(soon(), 100, [](const message&) -> result<std::span<std::byte>> {
        return fail(errc::out_of_memory, "no slot is free");
    });
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().message, "no slot is free");
}

TEST_F(two_ends, sending_to_a_closed_end_is_an_error_and_no_signal) {
    std::signal(SIGPIPE, SIG_DFL);
    b_ = channel::make_pair().value().first;
    const auto sent = a_.send(1, 1, soon());
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, errc::unavailable);
}

TEST_F(two_ends, closing_down_brings_a_waiting_receiver_back) {
    std::thread other([&] {
        std::this_thread::sleep_for(5ms);
        b_.close_down();
    });
    EXPECT_EQ(b_.receive(soon()).error().code, errc::unavailable);
    other.join();
}

TEST_F(two_ends, a_descriptor_that_is_no_socket_is_not_adopted) {
    EXPECT_FALSE(channel::adopt(unique_fd(::open("/dev/null", O_RDWR | O_CLOEXEC))));
    EXPECT_FALSE(channel::adopt(unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)))) << "it is not connected";
    EXPECT_FALSE(channel::adopt(unique_fd()));
    EXPECT_EQ(a_.other_end().value().process_id, ::getpid());
}

TEST(ipc_message, a_header_survives_coding) {
    const message_header header{message_magic, protocol_version, 7, 100, 2, 1ull << 40};
    const auto encoded = encode_header(header);
    const auto again = decode_header(encoded);
    ASSERT_OK(again);
    EXPECT_EQ(encode_header(*again), encoded);
    EXPECT_FALSE(decode_header(std::span(encoded).first(header_bytes - 1)));
}

TEST(ipc_channel, a_process_sends_everything_back_unchanged_and_no_descriptor_is_left) {
    const std::size_t before = test::open_descriptors();
    {
        auto peer = test::start_peer({"echo"});
        const unique_fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        for (const std::size_t size : {0u, 1u, 70'000u, 3'110'400u}) {
            const std::vector<std::byte> sent(size, std::byte{3});
            std::vector<std::byte> received;
            ASSERT_OK(peer.to.send(9, bytes_of("body"), sent, std::vector{null.get(), null.get()}, soon()));
            const auto m = peer.to.receive(soon(), 64 << 20, into(received));
            ASSERT_OK(m);
            EXPECT_EQ(text_of(*m), "body");
            EXPECT_EQ(received, sent);
            EXPECT_EQ(m->descriptors.size(), 2u);
        }
    }
    EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace faceflow::internal::ipc
