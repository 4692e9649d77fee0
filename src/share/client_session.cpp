// SPDX-License-Identifier: Apache-2.0
#include "share/client_session.hpp"

#include "core/try.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace faceflow::internal::share {
namespace {

using ipc::place_word;
using ipc::share_message;

// Never blocks: a message that would block is not sent.
constexpr ipc::time_point at_once{};

// Messages are far smaller than the free space that POLLOUT implies.
bool has_room(const ipc::channel& c) {
    pollfd asked{c.descriptor(), POLLOUT, 0};
    return ::poll(&asked, 1, 0) == 1;
}

std::uint16_t kind(share_message m) {
    return static_cast<std::uint16_t>(m);
}

}  // namespace

result<std::unique_ptr<client_session>> client_session::create(ipc::channel to, std::uint32_t number,
                                                               std::uint32_t leases, ipc::share_policy policy) {
    FACEFLOW_ASSIGN(auto page, ipc::share_page::create(leases));
    return std::unique_ptr<client_session>(new client_session(std::move(to), std::move(page), number, leases, policy));
}

result<void> client_session::welcome(std::uint32_t sources) {
    const ipc::share_welcome body{ipc::share_version, leases(), sources, number_};
    const std::array<int, 1> page{page_.descriptor()};
    return to_.send(kind(share_message::welcome), body, at_once, page);
}

result<void> client_session::offer(const frame& f, const ipc::share_frame& about, const slab_registry& slabs) {
    ++counts_.offered;
    collect_returned();
    auto at = free_place();
    // Checking costs as much as sending: do it only when the client is behind, so that no frame is taken back in vain.
    if (!at && policy_ == ipc::share_policy::latest) {
        if (!has_room(to_)) {
            ++counts_.not_reading;
            return {};
        }
        at = take_back_oldest();
    }
    if (!at) {
        ++counts_.no_lease;
        return {};
    }
    auto sent = announce_slabs(slabs);
    if (sent) {
        ipc::share_frame announced = about;
        announced.serial = ++serial_;
        announced.place = *at;
        announced.dropped = counts_.dropped();
        places_[*at] = {serial_, f.hold};
        page_.announce(*at, announced);
        page_[*at].value.store(place_word::given(serial_), std::memory_order_release);
        ++counts_.announced;
        // Make only one system call, the wake-up or the message: after a long sleep each takes microseconds, which
        // delay the frame.
        if (page_.ring(serial_)) return {};
        sent = to_.send(kind(share_message::frame), announced, at_once);
        // The socket is full of messages that the client need not read, since it knows the frames from the page.
        if (!sent && sent.error().code == errc::timeout) return {};
        return sent;
    }
    ++counts_.not_reading;
    if (sent.error().code == errc::timeout) return {};
    return sent;
}

void client_session::end() noexcept {
    [[maybe_unused]] const auto told = to_.send(kind(share_message::ended), {}, {}, {}, at_once);
    raise(page_.bell(), semaphore_end);
}

std::uint32_t client_session::leases_out() {
    collect_returned();
    return static_cast<std::uint32_t>(
        std::count_if(places_.begin(), places_.end(), [](const place& p) { return p.hold != nullptr; }));
}

// The client may write arbitrary values into its page: then it alone gets frames that are overwritten while it reads
// them.
void client_session::collect_returned() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
        place& p = places_[i];
        if (p.hold == nullptr) continue;
        if (page_[i].value.load(std::memory_order_acquire) >= place_word::returned(p.serial)) p.hold.reset();
    }
}

std::optional<std::uint32_t> client_session::free_place() {
    const auto free = std::find_if(places_.begin(), places_.end(), [](const place& p) { return p.hold == nullptr; });
    if (free == places_.end()) return std::nullopt;
    return static_cast<std::uint32_t>(free - places_.begin());
}

// Takes back the oldest frame that the client has not claimed.
std::optional<std::uint32_t> client_session::take_back_oldest() {
    std::optional<std::uint32_t> oldest;
    for (std::uint32_t i = 0; i < leases(); ++i) {
        const bool unclaimed = page_[i].value.load(std::memory_order_relaxed) == place_word::given(places_[i].serial);
        if (unclaimed && (!oldest || places_[i].serial < places_[*oldest].serial)) oldest = i;
    }
    if (!oldest) return std::nullopt;
    place& p = places_[*oldest];
    std::uint64_t expected = place_word::given(p.serial);
    // The client may have claimed it just now: then the client is one frame behind, and this frame is dropped.
    if (!page_[*oldest].value.compare_exchange_strong(expected, place_word::returned(p.serial),
                                                      std::memory_order_acq_rel))
        return std::nullopt;
    p.hold.reset();
    ++counts_.overtaken;
    return oldest;
}

result<void> client_session::announce_slabs(const slab_registry& slabs) {
    if (told_version_ == slabs.version()) return {};
    const auto& all = slabs.entries();
    for (auto at = told_.begin(); at != told_.end();) {
        if (all.contains(*at)) {
            ++at;
            continue;
        }
        ipc::share_slab gone;
        gone.number = *at;
        FACEFLOW_TRY(to_.send(kind(share_message::slab_gone), gone, at_once));
        at = told_.erase(at);
    }
    for (const auto& [number, e] : all) {
        if (told_.contains(number)) continue;
        const std::array<int, 1> memory{e.memory->get()};
        FACEFLOW_TRY(to_.send(kind(share_message::slab), e.facts, at_once, memory));
        told_.insert(number);
    }
    told_version_ = slabs.version();
    return {};
}

}  // namespace faceflow::internal::share
