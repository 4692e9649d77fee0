// SPDX-License-Identifier: Apache-2.0
// A message of a channel: a fixed header, a small body, a bulk payload, and descriptors beside them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::ipc {

inline constexpr std::uint32_t message_magic = 0x4346'4646;  // "FFFC"
// Incremented whenever the meaning of any message changes: different builds refuse each other.
inline constexpr std::uint16_t protocol_version = 1;
inline constexpr std::uint32_t max_body_bytes = 1 << 20;
inline constexpr std::uint32_t max_descriptors = 8;

// In the machine's byte order, since both ends are on one machine.
struct message_header {
    std::uint32_t magic = message_magic;
    std::uint16_t version = protocol_version;
    std::uint16_t kind = 0;  // defined by the protocol above
    std::uint32_t body_bytes = 0;
    std::uint32_t descriptors = 0;
    std::uint64_t payload_bytes = 0;
};
inline constexpr std::size_t header_bytes = sizeof(message_header);
static_assert(header_bytes == 24, "the header has no holes");

[[nodiscard]] std::array<std::byte, header_bytes> encode_header(const message_header& header) noexcept;

// Decodes arbitrary bytes: a header within the limits above, errc::corrupt (too few bytes, wrong magic number, body or
// number of descriptors above the limit) or errc::unsupported (another protocol version). The receiver limits the
// payload.
[[nodiscard]] result<message_header> decode_header(std::span<const std::byte> bytes);

// A received message; its payload is where the receiver directed it.
struct message {
    std::uint16_t kind = 0;
    std::vector<std::byte> body;
    std::vector<unique_fd> descriptors;
    std::uint64_t payload_bytes = 0;
};

}  // namespace faceflow::internal::ipc
