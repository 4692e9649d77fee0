// SPDX-License-Identifier: Apache-2.0
#include "client/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "core/try.hpp"
#include "frame/layout.hpp"
#include "ipc/listener.hpp"

namespace faceflow::internal::client {
namespace {

using ipc::place_word;
using ipc::share_message;

constexpr std::uint32_t max_unread = 64;  // of the some 270 messages that a socket holds
constexpr auto longest_sleep = std::chrono::milliseconds(100);
// Limits for what a server can make a client do without delivering a frame.
constexpr std::size_t max_slabs = 1024;             // mapped at once
constexpr int max_messages = 512, max_rounds = 64;  // in one call
constexpr std::uint32_t max_rings_in_vain = 16;     // in a row; beyond that, the client pauses after each
constexpr auto pause_after_a_ring = std::chrono::milliseconds(1);
constexpr std::uint32_t max_body = 4096;

std::int64_t now_ns() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ipc::time_point time_of(std::int64_t ns) {
    return ipc::time_point(std::chrono::nanoseconds(ns));
}

}  // namespace

claim::claim(std::shared_ptr<connection> of, std::shared_ptr<const mapped_slab> in, const ipc::share_frame& facts)
    : of_(std::move(of)),
      in_(std::move(in)),
      facts_(facts) {
    const auto described = picture_of(facts.picture);
    if (described) {
        picture_ = packed_at(
            *described, in_->view.data() + std::size_t{facts.slot} * static_cast<std::size_t>(in_->facts.slot_bytes));
    }
    of_->held_.fetch_add(1, std::memory_order_relaxed);
}

claim& claim::operator=(claim&& o) noexcept {
    if (this == &o) return *this;
    reset();
    of_ = std::move(o.of_);
    in_ = std::move(o.in_);
    facts_ = o.facts_;
    picture_ = o.picture_;
    return *this;
}

void claim::reset() noexcept {
    if (of_ == nullptr) return;
    of_->give_back(facts_);
    of_ = nullptr;
    in_ = nullptr;
}

std::uint64_t claim::offset() const noexcept {
    return in_->facts.offset + std::uint64_t{facts_.slot} * in_->facts.slot_bytes;
}

result<std::shared_ptr<connection>> connection::open(const std::filesystem::path& path, const ipc::share_hello& wanted,
                                                     ipc::time_point deadline, bool anticipate) {
    FACEFLOW_ASSIGN(auto server, ipc::connect_to(path, deadline));
    // A server that refuses at once, without reading the greeting, has still sent the reason.
    const auto greeted = server.send(static_cast<std::uint16_t>(share_message::hello), wanted, deadline);
    auto m = server.receive(deadline);
    if (!m) return tl::unexpected(greeted ? m.error() : greeted.error());
    if (m->kind == static_cast<std::uint16_t>(share_message::refusal))
        return tl::unexpected(ipc::read_share_refusal(*m));
    FACEFLOW_ASSIGN(const auto welcome, ipc::read_share_welcome(*m, wanted.leases));
    FACEFLOW_ASSIGN(auto page, ipc::share_page::open(std::move(m->descriptors.front()), welcome.leases));
    return std::shared_ptr<connection>(
        new connection(std::move(server), std::move(page), welcome, wanted.policy, anticipate));
}

result<std::optional<claim>> connection::next(ipc::time_point deadline) {
    if (!opened_here_.same_process()) {
        return fail(errc::invalid_argument,
                    "the connection is that of the process that this one was forked from; connect anew");
    }
    for (int rounds = 0;; ++rounds) {
        const std::uint64_t rung = page_.bell().value.load(std::memory_order_acquire);
        // Above semaphore_end, no wait could ever end.
        if (rung > semaphore_end && !over_)
            over_ = error{errc::corrupt, "the server raised the bell beyond its highest value"};
        std::optional<claim> newest;
        if (!over_ || over_->code != errc::corrupt) {
            auto taken = take_announced();
            if (taken) newest = std::move(*taken);
            if (!taken) over_ = std::move(taken.error());
        }
        // Read messages only when there is no frame, or before they fill the socket.
        if (newest && ++unread_ < max_unread) {
            in_vain_ = 0;
            return newest;
        }
        const std::size_t known = slabs_seen_;
        if (!over_) {
            auto told = read_messages(!newest);
            if (told) newest = std::move(told);
        }
        if (newest) {
            in_vain_ = 0;
            return newest;
        }
        if (slabs_seen_ != known && rounds < max_rounds) continue;
        if (over_) return tl::unexpected(*over_);
        const auto now = std::chrono::steady_clock::now();
        if (now >= deadline) return newest;
        // A killed server does not ring the bell: check the socket from time to time.
        wait(rung, std::min(deadline, now + longest_sleep));
        if (page_.bell().value.load(std::memory_order_relaxed) == rung) {
            in_vain_ = 0;
        } else if (++in_vain_ > max_rings_in_vain) {
            std::this_thread::sleep_for(pause_after_a_ring);
        }
    }
}

void connection::wait(std::uint64_t rung, ipc::time_point deadline) {
    if (ahead_ && wait_for_due_frame(rung, deadline)) return;
    page_.fall_asleep(rung);
    [[maybe_unused]] const bool rang = wait_until(page_.bell(), rung + 1, deadline);
    page_.wake_up();
}

bool connection::wait_for_due_frame(std::uint64_t rung, ipc::time_point deadline) {
    for (const heard& h : heard_)
        ahead_->came(h.source, h.sequence, h.announced_ns, now_ns());
    heard_.clear();
    const auto look = ahead_->next(now_ns());
    if (!look || time_of(look->from_ns) >= deadline) return false;
    if (look->from_ns > now_ns()) {
        page_.fall_asleep(rung);
        const bool rang = wait_until(page_.bell(), rung + 1, time_of(look->from_ns));
        if (const std::int64_t now = now_ns(); now > look->from_ns) ahead_->woke(look->from_ns, now, rang);
        page_.wake_up();
        return true;  // passes through next() once more, which warms the caches for its code
    }
    page_.look_out(rung);
    const std::int64_t begun = now_ns();
    const bool came = look_until(page_.bell(), rung + 1, std::min(deadline, time_of(look->until_ns)));
    const std::int64_t over = now_ns();
    ahead_->looked(begun, over);
    looking_ns_ += static_cast<std::uint64_t>(over - begun);
    if (came) ++met_;
    return came;
}

connection::announced connection::look_for_announced() const {
    announced best;
    for (std::uint32_t i = 0; i < page_.leases(); ++i) {
        const std::uint64_t word = page_[i].value.load(std::memory_order_acquire);
        const std::uint64_t serial = word / 4;
        if (word != place_word::given(serial)) continue;
        const ipc::share_frame facts = page_.announced(i);
        if (facts.serial != serial) continue;
        const bool better = policy_ == ipc::share_policy::fifo ? serial < best.serial : serial > best.serial;
        if (!best.place || better) best = {i, serial, slabs_.contains(facts.slab)};
    }
    return best;
}

result<std::optional<claim>> connection::take_announced() {
    // The server may take back unclaimed frames and announce newer ones a few times, but not for ever.
    for (std::uint32_t tries = 0; tries <= 2 * page_.leases(); ++tries) {
        announced chosen = look_for_announced();
        // An earlier frame may have been put into a place that was already checked: a second pass, made after seeing
        // this frame, sees all earlier ones.
        if (chosen.place && policy_ == ipc::share_policy::fifo) chosen = look_for_announced();
        // Its slab is announced in a message that is still unread; no other frame may come before it.
        if (!chosen.place || !chosen.slab_known) return std::nullopt;
        std::uint64_t expected = place_word::given(chosen.serial);
        if (!page_[*chosen.place].value.compare_exchange_strong(expected, place_word::claimed(chosen.serial),
                                                                std::memory_order_acq_rel))
            continue;
        if (policy_ == ipc::share_policy::latest) skip_older_than(chosen.serial);
        ipc::share_frame facts = page_.announced(*chosen.place);
        facts.place = *chosen.place;
        FACEFLOW_TRY(ipc::check_share_frame(facts, welcome_.leases));
        return claimed(facts);
    }
    return std::nullopt;
}

void connection::skip_older_than(std::uint64_t serial) {
    for (std::uint32_t i = 0; i < page_.leases(); ++i) {
        std::uint64_t word = page_[i].value.load(std::memory_order_relaxed);
        if (word >= place_word::given(serial) || word != place_word::given(word / 4) || word / 4 == 0) continue;
        if (page_[i].value.compare_exchange_strong(word, place_word::returned(word / 4), std::memory_order_acq_rel))
            ++skipped_;
    }
}

std::optional<claim> connection::read_messages(bool frames) {
    unread_ = 0;
    std::optional<claim> newest;
    const std::size_t known = slabs_seen_;
    // Frames in a new slab may be on the page; they come before those of further messages.
    for (int n = 0; n < max_messages && !over_ && (!frames || slabs_seen_ == known); ++n) {
        auto m = server_.receive_some_with_descriptors(max_body);
        if (m && !*m) break;
        if (!m) {
            over_ = m.error();
            if (server_.closed())
                over_ = error{errc::lost,
                              "the server that shared the frames is gone without a word: it was killed, or has "
                              "crashed; connect again when it is back"};
            break;
        }
        if (!frames && (**m).kind == static_cast<std::uint16_t>(share_message::frame)) continue;
        auto taken = take(std::move(**m));
        if (!taken) {
            over_ = std::move(taken.error());
        } else if (*taken) {
            if (newest) ++skipped_;
            newest = std::move(**taken);
            if (policy_ == ipc::share_policy::fifo) break;
        }
    }
    return newest;
}

result<std::optional<claim>> connection::take(ipc::message m) {
    switch (static_cast<share_message>(m.kind)) {
        case share_message::frame: return take_frame(m);
        case share_message::slab:
        case share_message::slab_gone: FACEFLOW_TRY(take_slab(std::move(m))); return std::nullopt;
        case share_message::ended: return fail(errc::interrupted, "the server's sources have ended");
        default:
            return fail(errc::corrupt, fmt::format("the server sent a message of unknown kind {}; the connection "
                                                   "is given up",
                                                   m.kind));
    }
}

result<std::optional<claim>> connection::take_frame(const ipc::message& m) {
    FACEFLOW_ASSIGN(const auto facts, ipc::read_share_frame(m, welcome_.leases));
    // Claim first: a frame that the server took back may lie in a slab that is gone.
    std::uint64_t expected = place_word::given(facts.serial);
    if (!page_[facts.place].value.compare_exchange_strong(expected, place_word::claimed(facts.serial),
                                                          std::memory_order_acq_rel))
        return std::nullopt;
    return claimed(facts);
}

result<std::optional<claim>> connection::claimed(const ipc::share_frame& facts) {
    const auto slab = slabs_.find(facts.slab);
    if (slab == slabs_.end()) {
        return fail(errc::corrupt,
                    fmt::format("the server announced a frame in slab {} that it never passed", facts.slab));
    }
    FACEFLOW_TRY(ipc::fits(facts, slab->second->facts));
    if (ahead_ && heard_.size() < heard_.capacity())
        heard_.push_back({facts.source, facts.sequence, facts.announced_ns});
    return claim(shared_from_this(), slab->second, facts);
}

result<void> connection::take_slab(ipc::message m) {
    FACEFLOW_ASSIGN(const auto facts, ipc::read_share_slab(m));
    if (m.kind == static_cast<std::uint16_t>(share_message::slab_gone)) {
        slabs_.erase(facts.number);
        return {};
    }
    if (slabs_.contains(facts.number)) return fail(errc::corrupt, "the server passed a slab twice");
    if (slabs_.size() >= max_slabs)
        return fail(errc::corrupt, fmt::format("the server passed more than {} slabs at once", max_slabs));
    FACEFLOW_ASSIGN(auto view, map_sealed_memory(m.descriptors.front().get(), facts.offset,
                                                 facts.slots * facts.slot_bytes, access::read_only));
    ++slabs_seen_;
    slabs_.emplace(facts.number, std::make_shared<const mapped_slab>(
                                     mapped_slab{facts, std::move(m.descriptors.front()), std::move(view)}));
    return {};
}

void connection::give_back(const ipc::share_frame& which) noexcept {
    // A child process must not return its parent's lease.
    if (!opened_here_.same_process()) return;
    // Release order: all reads of the pixels happen before this store.
    page_[which.place].value.store(place_word::returned(which.serial), std::memory_order_release);
    held_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace faceflow::internal::client
