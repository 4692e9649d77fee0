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

namespace faceflow::ipc {

using time_point = std::chrono::steady_clock::time_point;
inline constexpr time_point forever = time_point::max();

// The process at the other end when the connection was made.
struct peer {
    int process_id = 0;
    unsigned user_id = 0;
};

// One end. One thread may send while another receives. Never raises SIGPIPE. Errors:
//
// | errc | what happened | afterwards |
// | --- | --- | --- |
// | timeout | nothing of a message had been moved by the deadline | the channel goes on |
// | unavailable | the other end is closed, between two messages, or when sending | closed() |
// | io | it closed, or the deadline passed, in the middle of a message; or the system's reason | of no more use |
// | corrupt | no header, a limit passed, or other descriptors than announced | of no more use |
// | unsupported | another protocol version | of no more use |
// | invalid_argument | more to send than a message may hold; nothing was sent | the channel goes on |
//
// A direction of no more use repeats its error.
class channel {
public:
    channel(channel&&) noexcept;
    channel& operator=(channel&&) noexcept;
    ~channel();

    // errc::io with the system's reason.
    [[nodiscard]] static result<std::pair<channel, channel>> make_pair();
    // errc::invalid_argument for a descriptor that is no connected Unix stream socket.
    [[nodiscard]] static result<channel> adopt(unique_fd socket);

    // Waits while the other end does not read. `descriptors` stay the caller's.
    [[nodiscard]] result<void> send(std::uint16_t kind, std::span<const std::byte> body,
                                    std::span<const std::byte> payload, std::span<const int> descriptors,
                                    time_point deadline) {
        return send_parts(kind, body, std::span(&payload, 1), descriptors, deadline);
    }
    // A payload that lies in several places, at most max_payload_parts of them: the planes of a picture.
    static constexpr std::size_t max_payload_parts = 8;
    [[nodiscard]] result<void> send_parts(std::uint16_t kind, std::span<const std::byte> body,
                                          std::span<const std::span<const std::byte>> payload,
                                          std::span<const int> descriptors, time_point deadline);
    // A small struct without pointers as the body.
    template <class Body>
    [[nodiscard]] result<void> send(std::uint16_t kind, const Body& body, time_point deadline,
                                    std::span<const int> descriptors = {}) {
        static_assert(std::is_trivially_copyable_v<Body>);
        return send(kind, std::as_bytes(std::span(&body, 1)), {}, descriptors, deadline);
    }

    // Where a payload is to go: called with the message so far (body and descriptors are there), returns exactly
    // `message.payload_bytes` of memory, into which the bytes are received; or an error, which receive returns, and the
    // channel is of no more use. Not called for a message without payload.
    using payload_target = std::function<result<std::span<std::byte>>(const message&)>;

    // The next message, descriptors close-on-exec. A payload above `max_payload` bytes is errc::corrupt, before any of it is
    // read.
    [[nodiscard]] result<message> receive(time_point deadline, std::uint64_t max_payload, const payload_target& place);
    // Takes no payload.
    [[nodiscard]] result<message> receive(time_point deadline) { return receive(deadline, 0, {}); }

    // What has come of the next message by now, without waiting: the whole message, or nullopt while more of it is to come, and
    // then this goes on where it was. For peers that nobody waits for. It takes neither a payload nor descriptors, which the
    // kernel then closes at once. Errors as receive's, but for timeout. Not to be mixed with receive in mid-message.
    [[nodiscard]] result<std::optional<message>> receive_some(std::uint32_t max_body);
    // The same, with as many descriptors as a message may have.
    [[nodiscard]] result<std::optional<message>> receive_some_with_descriptors(std::uint32_t max_body);
    // True while a part of a message is here, the rest of which is not.
    [[nodiscard]] bool in_mid_message() const noexcept { return partial_ != nullptr; }

    // Ends both directions: whoever waits in receive or send, in either process, comes back. For any thread.
    void close_down() noexcept;
    // True once receiving has seen the other end gone, or a message that ends early. For the receiving thread.
    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] result<peer> other_end() const;
    // For poll and for a child to inherit.
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
    bool closed_ = false;  // by receiving
    result<void> sending_, receiving_;
};

// The body of a message as the struct that it is; errc::corrupt when it is of another size.
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

}  // namespace faceflow::ipc
