// SPDX-License-Identifier: Apache-2.0
#include "ipc/message.hpp"

#include <fmt/format.h>

#include <cstring>

namespace faceflow::internal::ipc {

std::array<std::byte, header_bytes> encode_header(const message_header& header) noexcept {
    std::array<std::byte, header_bytes> bytes{};
    std::memcpy(bytes.data(), &header, header_bytes);
    return bytes;
}

result<message_header> decode_header(std::span<const std::byte> bytes) {
    if (bytes.size() < header_bytes) {
        return fail(errc::corrupt,
                    fmt::format("a message header of {} bytes where {} are needed", bytes.size(), header_bytes));
    }
    message_header header;
    std::memcpy(&header, bytes.data(), header_bytes);
    if (header.magic != message_magic) {
        return fail(errc::corrupt, fmt::format("a message begins with {:08x}: the other end does not speak faceflow's "
                                               "protocol",
                                               header.magic));
    }
    if (header.version != protocol_version) {
        return fail(errc::unsupported,
                    fmt::format("the other process speaks version {} of the protocol, this one {}: run "
                                "both from one build",
                                header.version, protocol_version));
    }
    if (header.body_bytes > max_body_bytes) {
        return fail(errc::corrupt, fmt::format("a message announces a body of {} bytes; {} is the maximum",
                                               header.body_bytes, max_body_bytes));
    }
    if (header.descriptors > max_descriptors) {
        return fail(errc::corrupt, fmt::format("a message announces {} descriptors; {} is the maximum",
                                               header.descriptors, max_descriptors));
    }
    return header;
}

}  // namespace faceflow::internal::ipc
