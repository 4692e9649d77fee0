// SPDX-License-Identifier: Apache-2.0
#include "ipc/share_page.hpp"

#include <cstring>

#include "core/read_once.hpp"
#include "core/try.hpp"

namespace faceflow::internal::ipc {
namespace {

// The lines of the page: the words, the bell, how the client waits, then two for each announcement.
constexpr std::size_t line = 64, lines_each = 2;
static_assert(sizeof(share_frame) <= lines_each * line);

constexpr std::size_t lines_for(std::uint32_t leases) {
    return (1 + lines_each) * std::size_t{leases} + 2;
}

}  // namespace

result<share_page> share_page::create(std::uint32_t leases) {
    FACEFLOW_ASSIGN(auto words, control_page::create(lines_for(leases)));
    return share_page(std::move(words), leases);
}

result<share_page> share_page::open(unique_fd descriptor, std::uint32_t leases) {
    FACEFLOW_ASSIGN(auto words, control_page::open(std::move(descriptor), lines_for(leases), access::read_write));
    return share_page(std::move(words), leases);
}

std::byte* share_page::announcement(std::uint32_t place) const noexcept {
    return words_.pages().data() + (std::size_t{leases_} + 2 + lines_each * place) * line;
}

bool share_page::ring(std::uint64_t serial) noexcept {
    // Either the client sees the new value before it sleeps, or this function sees that it is about to sleep.
    bell().value.store(serial, std::memory_order_release);
    std::uint64_t how = waiting().fetch_add(0, std::memory_order_acq_rel);
    // A round repeats only when the client has written; the limit keeps a misbehaving client from holding up the
    // server.
    for (int round = 0; round < 4; ++round) {
        const std::uint64_t seen = how / states;
        if (seen >= serial) return true;  // the client has looked since
        if (how == awake || seen + 1 < serial) return false;
        if (!waiting().compare_exchange_strong(how, awake, std::memory_order_acq_rel)) continue;
        if (how % states != looking) wake(bell());
        return true;
    }
    wake(bell());
    return false;
}

void share_page::announce(std::uint32_t place, const share_frame& frame) noexcept {
    std::memcpy(announcement(place), &frame, sizeof frame);
}

share_frame share_page::announced(std::uint32_t place) const noexcept {
    return read_once(reinterpret_cast<const share_frame*>(announcement(place)));
}

}  // namespace faceflow::internal::ipc
