// SPDX-License-Identifier: Apache-2.0
// Messages between two processes over one Unix stream socket.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"
#include "ipc/message.hpp"

namespace faceflow::internal::ipc {

using time_point = std::chrono::steady_clock::time_point;
inline constexpr time_point forever = time_point::max();

// The process at the other end at the time of connecting.
struct peer {
    int process_id = 0;
    unsigned user_id = 0;
};

// One end of a connection. One thread may send while another receives. Never raises SIGPIPE. Errors:
//
// | errc | what happened | afterwards |
// | --- | --- | --- |
// | timeout | no byte of a message had been moved by the deadline | the channel still works |
// | unavailable | the other end closed, between messages or while sending | closed() |
// | io | the other end closed or the deadline passed in mid-message, or a system call failed | unusable |
// | corrupt | an invalid header, a limit exceeded, or descriptors that differ from the announced number | unusable |
// | unsupported | another protocol version | unusable |
// | invalid_argument | the message exceeds a limit; nothing was sent | the channel still works |
//
// An unusable direction repeats its error.
class channel {
public:
    channel(channel&&) noexcept;
    channel& operator=(channel&&) noexcept;
    ~channel();

    // errc::io with the system's reason.
    [[nodiscard]] static result<std::pair<channel, channel>> make_pair();
    // errc::invalid_argument unless the descriptor is a connected Unix stream socket.
    [[nodiscard]] static result<channel> adopt(unique_fd socket);

    // Blocks while the other end does not read. The caller keeps `descriptors`.
    [[nodiscard]] result<void> send(std::uint16_t kind, std::span<const std::byte> body,
                                    std::span<const std::byte> payload, std::span<const int> descriptors,
                                    time_point deadline) {
        return send_parts(kind, body, std::span(&payload, 1), descriptors, deadline);
    }
    // Sends a payload in up to max_payload_parts parts, such as the planes of a picture.
    static constexpr std::size_t max_payload_parts = 8;
    [[nodiscard]] result<void> send_parts(std::uint16_t kind, std::span<const std::byte> body,
                                          std::span<const std::span<const std::byte>> payload,
                                          std::span<const int> descriptors, time_point deadline);
    // Sends a trivially copyable struct as the body.
    template <class Body>
    [[nodiscard]] result<void> send(std::uint16_t kind, const Body& body, time_point deadline,
                                    std::span<const int> descriptors = {}) {
        static_assert(std::is_trivially_copyable_v<Body>);
        return send(kind, std::as_bytes(std::span(&body, 1)), {}, descriptors, deadline);
    }

    // Returns the destination of a payload: called with the message so far (body and descriptors have arrived), it
    // returns exactly `message.payload_bytes` bytes of memory; or an error, which receive returns and which makes the
    // channel unusable. Not called for a message without payload.
    using payload_target = std::function<result<std::span<std::byte>>(const message&)>;

    // Receives the next message; its descriptors are close-on-exec. A payload above `max_payload` bytes is
    // errc::corrupt before any of it is read.
    [[nodiscard]] result<message> receive(time_point deadline, std::uint64_t max_payload, const payload_target& place);
    // Accepts no payload.
    [[nodiscard]] result<message> receive(time_point deadline) { return receive(deadline, 0, {}); }

    // Receives without blocking: the next message if all of it has arrived, else nullopt; the next call resumes. For
    // peers that must not block this process. Accepts neither a payload nor descriptors, which the kernel then closes
    // at once. Errors as for receive, except timeout. Do not mix with receive in mid-message.
    [[nodiscard]] result<std::optional<message>> receive_some(std::uint32_t max_body);
    // The same, with up to max_descriptors descriptors.
    [[nodiscard]] result<std::optional<message>> receive_some_with_descriptors(std::uint32_t max_body);
    // True while a message has arrived in part.
    [[nodiscard]] bool in_mid_message() const noexcept { return partial_ != nullptr; }

    // Shuts down both directions: threads blocked in receive or send, in either process, return. Any thread may call
    // it.
    void close_down() noexcept;
    // True once receiving has found the other end closed or a message cut short. For the receiving thread.
    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] result<peer> other_end() const;
    // For poll(), and for a child to inherit.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }
    [[nodiscard]] unique_fd release() && noexcept { return std::move(socket_); }

private:
    explicit channel(unique_fd socket);
    class reading;
    struct partial;
    [[nodiscard]] result<std::optional<message>> gather(std::uint32_t max_body, std::uint32_t max_descriptors);
    [[nodiscard]] result<message> receive_whole(reading& r, std::uint64_t max_payload, const payload_target& place);

    unique_fd socket_;
    std::unique_ptr<partial> partial_;
    bool closed_ = false;  // set by receiving
    result<void> sending_, receiving_;
};

// The body of a message as a Body; errc::corrupt if its size differs.
template <class Body>
[[nodiscard]] result<Body> body_as(const message& m) {
    static_assert(std::is_trivially_copyable_v<Body>);
    if (m.body.size() != sizeof(Body)) {
        return fail(errc::corrupt, "the body of a message of kind " + std::to_string(m.kind) +
                                       " is of another size than its kind has");
    }
    Body body;
    std::copy(m.body.begin(), m.body.end(), reinterpret_cast<std::byte*>(&body));
    return body;
}

}  // namespace faceflow::internal::ipc
