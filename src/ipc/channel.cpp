// SPDX-License-Identifier: Apache-2.0
#include "ipc/channel.hpp"

#include "core/try.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace faceflow::internal::ipc {
namespace {

using clock = std::chrono::steady_clock;

// Room for one descriptor more than allowed, so that too many are detected.
constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(int) * (max_descriptors + 1));

tl::unexpected<error> broken(const char* call, int reason) {
    return fail(errc::io, fmt::format("{} on a channel between processes failed: {}", call, std::strerror(reason)));
}

bool gone(int reason) {
    return reason == EPIPE || reason == ECONNRESET;
}

tl::unexpected<error> other_end_closed() {
    return fail(errc::unavailable, "the process at the other end has closed its channel");
}

// False at the deadline. A channel whose other end is closed counts as ready: the next call reports it.
bool wait_ready(int descriptor, short events, time_point deadline) {
    while (true) {
        const auto left = std::max(deadline - clock::now(), clock::duration::zero());
        const auto seconds =
            std::min(std::chrono::duration_cast<std::chrono::seconds>(left), std::chrono::seconds(3600));
        const timespec timeout{seconds.count(), (std::chrono::nanoseconds(left) % std::chrono::seconds(1)).count()};
        pollfd waiting{descriptor, events, 0};
        const int ready = ::ppoll(&waiting, 1, &timeout, nullptr);
        if (ready > 0) return true;
        if (clock::now() >= deadline) return false;
    }
}

struct control_block {
    alignas(cmsghdr) std::array<char, control_bytes> bytes{};
};

void attach(msghdr& to, control_block& block, std::span<const int> descriptors) {
    if (descriptors.empty()) return;
    to.msg_control = block.bytes.data();
    to.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&to);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
}

// The system is temporarily short of room for the message or for descriptors in flight.
bool short_of_room(int reason) {
    return reason == ENOBUFS || reason == ENOMEM || reason == ETOOMANYREFS;
}

void detach(msghdr& from, std::vector<unique_fd>& into) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&from); header != nullptr; header = CMSG_NXTHDR(&from, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= header->cmsg_len; at += sizeof(int)) {
            int descriptor = -1;
            std::memcpy(&descriptor, reinterpret_cast<const char*>(header) + at, sizeof(descriptor));
            into.emplace_back(descriptor);
        }
    }
}

// Removes the `bytes` already moved from the front.
void advance(std::span<iovec>& parts, std::size_t bytes) {
    while (!parts.empty() && bytes >= parts.front().iov_len) {
        bytes -= parts.front().iov_len;
        parts = parts.subspan(1);
    }
    if (parts.empty()) return;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
}

iovec part_of(std::span<const std::byte> bytes) {
    return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

result<void> send_all(int socket, std::span<iovec> parts, std::span<const int> descriptors, time_point deadline) {
    control_block block;
    std::size_t sent = 0;
    while (!parts.empty()) {
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        if (sent == 0) attach(message, block, descriptors);
        const ssize_t n = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            sent += static_cast<std::size_t>(n);
            advance(parts, static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            if (wait_ready(socket, POLLOUT, deadline)) continue;
            if (sent == 0) return fail(errc::timeout, "the process at the other end of a channel does not read");
            return fail(errc::io,
                        fmt::format("the process at the other end of a channel stopped reading after {} bytes of "
                                    "a message",
                                    sent));
        } else if (short_of_room(errno) && clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        } else if (short_of_room(errno) && sent == 0) {
            return fail(errc::timeout, fmt::format("the system has no room for a message: {}", std::strerror(errno)));
        } else if (gone(errno)) {
            return other_end_closed();
        } else if (errno != EINTR) {
            return broken("sendmsg", errno);
        }
    }
    return {};
}

}  // namespace

namespace {

// The result of one recvmsg: bytes; 0 at the end; -1 when nothing is available yet.
struct taken {
    ssize_t bytes = -1;
};

tl::unexpected<error> too_many(std::uint32_t most) {
    return fail(
        errc::corrupt,
        fmt::format("a message came with more descriptors than the {} that it may have; they are closed", most));
}

// Holds at most `max_descriptors`: further ones are closed before more is read.
result<taken> take(int socket, std::span<std::byte> into, std::vector<unique_fd>& descriptors,
                   std::uint32_t max_descriptors) {
    control_block block;
    iovec part = part_of(into);
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (max_descriptors > 0) {
        message.msg_control = block.bytes.data();
        message.msg_controllen = block.bytes.size();
    }
    const ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return taken{};
    if (n < 0 && !gone(errno)) return broken("recvmsg", errno);
    if (n <= 0) return taken{0};
    detach(message, descriptors);
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        if (max_descriptors == 0) return too_many(0);
        return fail(errc::corrupt,
                    "a message came with descriptors that could not be received: there are too "
                    "many, or this process has no room for more (ulimit -n)");
    }
    if (descriptors.size() > max_descriptors) return too_many(max_descriptors);
    return taken{n};
}

result<message_header> checked(std::span<const std::byte> encoded, std::uint64_t max_payload) {
    auto header = decode_header(encoded);
    if (header && header->payload_bytes > max_payload) {
        return fail(errc::corrupt, fmt::format("a message announces a payload of {} bytes where {} is the maximum",
                                               header->payload_bytes, max_payload));
    }
    return header;
}

result<void> complete(const message& m, const message_header& header) {
    if (m.descriptors.size() == header.descriptors) return {};
    return fail(errc::corrupt, fmt::format("a message came with {} descriptors and announces {}", m.descriptors.size(),
                                           header.descriptors));
}

}  // namespace

// A message being received: how much of it has arrived, and its descriptors, which are closed if it fails.
class channel::reading {
public:
    reading(int socket, time_point deadline) : socket_(socket), deadline_(deadline) {}

    result<void> fill(std::span<std::byte> into) {
        while (!into.empty()) {
            FACEFLOW_ASSIGN(const auto came, take(socket_, into, descriptors, max_descriptors));
            if (came.bytes == 0) return ended();
            if (came.bytes < 0) {
                if (!wait_ready(socket_, POLLIN, deadline_)) return late();
                continue;
            }
            received_ += static_cast<std::size_t>(came.bytes);
            into = into.subspan(static_cast<std::size_t>(came.bytes));
        }
        return {};
    }
    std::size_t received() const { return received_; }

    std::vector<unique_fd> descriptors;
    std::uint32_t max_descriptors = ipc::max_descriptors;  // limit of received descriptors

private:
    result<void> ended() const {
        if (received_ == 0) return other_end_closed();
        return fail(errc::io, fmt::format("the process at the other end of a channel ended after {} bytes of a message",
                                          received_));
    }
    result<void> late() const {
        if (received_ == 0) return fail(errc::timeout, "no message came from the other process in time");
        return fail(errc::io, fmt::format("the rest of a message did not come in time; {} bytes did", received_));
    }

    const int socket_;
    const time_point deadline_;
    std::size_t received_ = 0;
};

result<std::pair<channel, channel>> channel::make_pair() {
    std::array<int, 2> ends{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return broken("socketpair", errno);
    return std::pair(channel(unique_fd(ends[0])), channel(unique_fd(ends[1])));
}

result<channel> channel::adopt(unique_fd socket) {
    int domain = 0, type = 0;
    socklen_t size = sizeof(int);
    sockaddr_storage other{};
    socklen_t other_size = sizeof(other);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX ||
        ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
        ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&other), &other_size) != 0) {
        return fail(errc::invalid_argument,
                    fmt::format("descriptor {} is not a connected Unix stream socket", socket.get()));
    }
    ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    return channel(std::move(socket));
}

result<void> channel::send_parts(std::uint16_t kind, std::span<const std::byte> body,
                                 std::span<const std::span<const std::byte>> payload, std::span<const int> descriptors,
                                 time_point deadline) {
    if (!sending_) return sending_;
    if (body.size() > max_body_bytes || descriptors.size() > max_descriptors || payload.size() > max_payload_parts) {
        return fail(errc::invalid_argument,
                    fmt::format("a message of {} bytes and {} descriptors; {} and {} are the most, larger things are a "
                                "payload",
                                body.size(), descriptors.size(), max_body_bytes, max_descriptors));
    }
    message_header header;
    header.kind = kind;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    header.descriptors = static_cast<std::uint32_t>(descriptors.size());
    for (const auto& part : payload)
        header.payload_bytes += part.size();
    const auto encoded = encode_header(header);
    std::array<iovec, 2 + max_payload_parts> parts{part_of(encoded), part_of(body)};
    std::transform(payload.begin(), payload.end(), parts.begin() + 2, part_of);
    auto sent = send_all(socket_.get(), std::span(parts).first(2 + payload.size()), descriptors, deadline);
    if (!sent && sent.error().code != errc::timeout) sending_ = sent;
    return sent;
}

result<message> channel::receive(time_point deadline, std::uint64_t max_payload, const payload_target& place) {
    if (!receiving_) return tl::unexpected(receiving_.error());
    reading r(socket_.get(), deadline);
    auto received = receive_whole(r, max_payload, place);
    if (!received && (r.received() > 0 || received.error().code != errc::timeout)) {
        receiving_ = tl::unexpected(received.error());
        closed_ = received.error().code == errc::unavailable || received.error().code == errc::io;
    }
    return received;
}

result<message> channel::receive_whole(reading& r, std::uint64_t max_payload, const payload_target& place) {
    std::array<std::byte, header_bytes> encoded{};
    FACEFLOW_TRY(r.fill(encoded));
    FACEFLOW_ASSIGN(const auto header, checked(encoded, max_payload));
    message m;
    m.kind = header.kind;
    m.payload_bytes = header.payload_bytes;
    m.body.resize(header.body_bytes);
    FACEFLOW_TRY(r.fill(m.body));
    m.descriptors = std::exchange(r.descriptors, {});
    FACEFLOW_TRY(complete(m, header));
    r.max_descriptors = 0;
    if (m.payload_bytes == 0) return m;
    FACEFLOW_ASSIGN(const auto into, place(m));
    if (into.size() != m.payload_bytes)
        return fail(errc::internal, fmt::format("a payload of {} bytes was given {}", m.payload_bytes, into.size()));
    FACEFLOW_TRY(r.fill(into));
    return m;
}

struct channel::partial {
    std::array<std::byte, header_bytes> encoded{};
    std::optional<message_header> header;
    message so_far;
    std::size_t here = 0;  // bytes received of the header, then of the body

    std::span<std::byte> missing() {
        return header ? std::span(so_far.body).subspan(here) : std::span(encoded).subspan(here);
    }
};

channel::channel(unique_fd socket) : socket_(std::move(socket)) {}
channel::channel(channel&&) noexcept = default;
channel& channel::operator=(channel&&) noexcept = default;
channel::~channel() = default;

result<std::optional<message>> channel::receive_some(std::uint32_t max_body) {
    return gather(max_body, 0);
}

result<std::optional<message>> channel::receive_some_with_descriptors(std::uint32_t max_body) {
    return gather(max_body, max_descriptors);
}

result<std::optional<message>> channel::gather(std::uint32_t max_body, std::uint32_t max_descriptors_here) {
    if (!receiving_) return tl::unexpected(receiving_.error());
    const auto over = [&](error e) {
        partial_ = nullptr;
        closed_ = e.code == errc::unavailable || e.code == errc::io;
        receiving_ = tl::unexpected(e);
        return tl::unexpected(std::move(e));
    };
    auto p = partial_ != nullptr ? std::move(partial_) : std::make_unique<partial>();
    for (;;) {
        if (p->missing().empty()) {
            if (p->header) {
                if (auto whole = complete(p->so_far, *p->header); !whole) return over(std::move(whole.error()));
                return std::move(p->so_far);
            }
            const auto header = checked(p->encoded, 0);
            if (!header) return over(header.error());
            if (header->body_bytes > max_body) {
                return over(
                    {errc::corrupt, fmt::format("a message announces a body of {} bytes where {} is the maximum",
                                                header->body_bytes, max_body)});
            }
            p->header = *header;
            p->so_far.kind = header->kind;
            p->so_far.body.resize(header->body_bytes);
            p->here = 0;
            continue;
        }
        const auto came = take(socket_.get(), p->missing(), p->so_far.descriptors, max_descriptors_here);
        if (!came) return over(came.error());
        const bool begun = p->header || p->here > 0;
        if (came->bytes == 0) {
            if (!begun) return over(other_end_closed().value());
            return over({errc::io, "the process at the other end of a channel ended in the middle of a message"});
        }
        if (came->bytes < 0) {
            if (begun) partial_ = std::move(p);
            return std::nullopt;
        }
        p->here += static_cast<std::size_t>(came->bytes);
    }
}

void channel::close_down() noexcept {
    ::shutdown(socket_.get(), SHUT_RDWR);
}

result<peer> channel::other_end() const {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return broken("getsockopt(SO_PEERCRED)", errno);
    return peer{credentials.pid, credentials.uid};
}

}  // namespace faceflow::internal::ipc
