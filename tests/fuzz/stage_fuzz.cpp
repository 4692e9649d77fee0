// SPDX-License-Identifier: Apache-2.0
// Any bytes from the owner of a stage process: the greeting as text, and after a good greeting messages of any kind, size and
// order, with the memory of slabs or without, to a region stage of each flow. The stage answers or refuses; it does nothing else.
// The first byte says which: 0 text of a greeting, 1 the stage of `copied`, 2 that of `shared`. Then a message follows the
// other: its kind, how many descriptors, how many bytes of a body and of a payload (4 bytes each, little-endian), the body.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/sealed_memory.hpp"
#include "flow/multi_process/shared_executor.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "flow/multi_process/stage_server.hpp"
#include "ipc/channel.hpp"
#include "ipc/control_page.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using namespace faceflow::internal::flow;

constexpr std::uint32_t max_payload = 1 << 16;
constexpr std::size_t slab_bytes = 8 << 20;  // two slots with room for the buffers of eight faces

void as_greeting(std::string_view text) {
    const auto hello = read_hello(text);
    if (!hello) {
        if (hello.error().message.empty()) __builtin_trap();
        return;
    }
    if (hello->buffers > max_in_flight) __builtin_trap();
    // What was understood is said again in the same words.
    const std::string again = to_json(*hello);
    const auto twice = read_hello(again);
    if (!twice || to_json(*twice) != again) __builtin_trap();
}

// What an owner has told the stage, from the fuzzer's bytes.
class bytes_of_owner {
public:
    explicit bytes_of_owner(std::span<const std::byte> left) : left_(left) {}
    bool empty() const { return left_.empty(); }
    std::span<const std::byte> take(std::size_t n) {
        const auto part = left_.first(std::min(n, left_.size()));
        left_ = left_.subspan(part.size());
        return part;
    }
    std::uint32_t number(std::size_t bytes) {
        std::uint32_t n = 0;
        const auto part = take(bytes);
        if (!part.empty()) std::memcpy(&n, part.data(), part.size());
        return n;
    }

private:
    std::span<const std::byte> left_;
};

stage_hello hello_of(bool shared) {
    stage_hello h;
    h.role = stage_role::region;  // the one that needs no model
    h.chosen.device = "cpu";
    h.chosen.flow = shared ? flow_kind::shared : flow_kind::copied;
    h.chosen.max_faces = 8;
    h.buffers = shared ? frames_in_flight : 0;
    return h;
}

void send_all(ipc::channel& to, const stage_hello& hello, bytes_of_owner from) {
    std::vector<ipc::control_page> pages;
    std::vector<int> descriptors;
    for (std::size_t i = 0; i < (hello.buffers > 0 ? shared_page_count : 1); ++i) {
        pages.push_back(
            ipc::control_page::create(std::max<std::size_t>(page_semaphores::count(hello.buffers), 1)).value());
        // All that the stage may wait for is done.
        for (std::size_t w = 0; w < pages.back().words(); ++w)
            pages.back()[w].value = semaphore_end;
        descriptors.push_back(pages.back().descriptor());
    }
    const std::string text = to_json(hello);
    if (!to.send(static_cast<std::uint16_t>(stage_message::hello), std::as_bytes(std::span(text)), {}, descriptors,
                 ipc::forever))
        return;
    const auto memory = make_sealed_memory("fuzz", slab_bytes).value();
    const std::vector<std::byte> payload(max_payload, std::byte{0x7f});
    while (!from.empty()) {
        const auto kind = static_cast<std::uint16_t>(from.number(1));
        const std::vector<int> slabs(from.number(1) % 3, memory.get());
        const auto body_bytes = from.number(4), payload_bytes = from.number(4);
        const auto body = from.take(body_bytes);
        if (!to.send(kind, body, std::span(payload).first(payload_bytes % (max_payload + 1)), slabs, ipc::forever))
            return;
    }
}

void as_owner(bool shared, std::span<const std::byte> bytes) {
    auto ends = ipc::channel::make_pair().value();
    ipc::channel& owner = ends.first;
    const int socket = owner.descriptor();
    std::thread says([&] {
        send_all(owner, hello_of(shared), bytes_of_owner(bytes));
        ::shutdown(socket, SHUT_WR);
    });
    std::thread hears([&] {
        std::vector<std::byte> payload;
        const auto place = [&](const ipc::message& m) -> result<std::span<std::byte>> {
            payload.resize(m.payload_bytes);
            return std::span(payload);
        };
        // Each answer is one that an owner can read, and an error says what it is.
        for (bool first = true;; first = false) {
            payload.clear();
            const auto m = owner.receive(ipc::forever, std::uint64_t{1} << 24, place);
            if (!m) return;
            if (first && m->kind == static_cast<std::uint16_t>(stage_message::ready)) continue;
            const auto reply = ipc::body_as<stage_reply>(*m);
            if (!reply || m->kind != static_cast<std::uint16_t>(stage_message::reply)) __builtin_trap();
            if (reply->status > 0 && payload.empty()) __builtin_trap();
        }
    });
    (void)serve_stage(std::move(ends.second).release());
    says.join();
    hears.join();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto rest = std::as_bytes(std::span(data, size)).subspan(1);
    if (data[0] % 3 == 0) {
        as_greeting({reinterpret_cast<const char*>(rest.data()), rest.size()});
    } else {
        as_owner(data[0] % 3 == 2, rest);
    }
    return 0;
}
