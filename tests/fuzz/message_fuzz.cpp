// SPDX-License-Identifier: Apache-2.0
// Any bytes as the head of a message, and through a channel: a message within the limits or an error, nothing else.
#include <sys/socket.h>

#include <cstdint>

#include "ipc/channel.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;

void through_a_channel(std::span<const std::byte> bytes) {
    auto [a, b] = ipc::channel::make_pair().value();
    if (::send(a.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT) != static_cast<ssize_t>(bytes.size())) return;
    a.close_down();
    std::vector<std::byte> payload;
    while (true) {
        const auto m = b.receive(ipc::forever, 4096, [&](const ipc::message& began) -> result<std::span<std::byte>> {
            payload.resize(began.payload_bytes);
            return std::span(payload);
        });
        if (!m) {
            if (m.error().message.empty()) __builtin_trap();
            return;
        }
        if (m->payload_bytes > 4096 || m->body.size() > ipc::max_body_bytes || !m->descriptors.empty())
            __builtin_trap();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    const auto header = ipc::decode_header(bytes);
    if (header) {
        if (header->body_bytes > ipc::max_body_bytes || header->descriptors > ipc::max_descriptors) __builtin_trap();
        const auto again = ipc::encode_header(*header);
        if (!std::equal(again.begin(), again.end(), bytes.begin())) __builtin_trap();
    } else if (header.error().message.empty()) {
        __builtin_trap();
    }
    through_a_channel(bytes);
    return 0;
}
