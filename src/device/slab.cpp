// SPDX-License-Identifier: Apache-2.0
#include "device/slab.hpp"

#include "core/try.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace faceflow::internal {
namespace {

constexpr std::size_t usual_users = 4;

// Waits for slots belong to no frame, so the ledger counts them under the stage that acquires slots.
constexpr tag waiting{stage::capture, {}};

}  // namespace

result<std::shared_ptr<slab>> slab::create(device& d, std::size_t slot_bytes, std::size_t slots) {
    constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
    if (slot_bytes == 0 || slots == 0 || slots > most ||
        slot_bytes > std::numeric_limits<std::size_t>::max() / slots - capped_resource::alignment) {
        return fail(errc::invalid_argument,
                    fmt::format("a slab of {} slots of {} bytes makes no sense", slots, slot_bytes));
    }
    slot_bytes = capped_resource::counted(slot_bytes);
    FACEFLOW_ASSIGN(auto memory, device_buffer::allocate(d.pool(), slot_bytes * slots));
    return std::shared_ptr<slab>(new slab(d, std::move(memory), slot_bytes, slots));
}

slab::slab(device& d, device_buffer memory, std::size_t slot_bytes, std::size_t slots)
    : device_(d),
      memory_(std::move(memory)),
      slot_bytes_(slot_bytes),
      entries_(slots) {
    ready_.reserve(slots);
    for (std::size_t i = slots; i > 0; --i)
        ready_.push_back(static_cast<std::uint32_t>(i - 1));
    for (entry& e : entries_)
        e.users.reserve(usual_users);
}

slab::~slab() {
    for (const std::uint32_t index : retiring_) {
        const entry& e = entries_[index];
        for (std::size_t i = 0; i < e.pending; ++i) {
            // If the wait fails, there is nothing better to do than to continue.
            [[maybe_unused]] const auto ignored = wait_until_done(device_, *e.done[i], waiting);
        }
    }
}

bool slab::passed(const entry& e) noexcept {
    return std::all_of(e.done.begin(), e.done.begin() + static_cast<std::ptrdiff_t>(e.pending),
                       [](const auto& d) { return d->done(); });
}

void slab::collect_passed() {
    std::erase_if(retiring_, [&](std::uint32_t index) {
        if (!passed(entries_[index])) return false;
        ready_.push_back(index);
        return true;
    });
}

result<slot> slab::acquire() {
    const std::lock_guard lock(mutex_);
    if (ready_.empty()) collect_passed();
    if (ready_.empty()) {
        return fail(errc::out_of_memory,
                    fmt::format("all {} slots of {:.1f} MiB are in use ({} of them wait for the device)",
                                entries_.size(), static_cast<double>(slot_bytes_) / 0x1p20, retiring_.size()));
    }
    const std::uint32_t index = ready_.back();
    ready_.pop_back();
    entry& e = entries_[index];
    e.in_use = true;
    device_.pool().slot_taken();
    e.pending = 0;
    return slot{index, e.generation, memory_.data() + index * slot_bytes_};
}

void slab::note_use(const slot& used, stream& s) {
    const std::lock_guard lock(mutex_);
    if (used.index >= entries_.size()) return;
    entry& e = entries_[used.index];
    if (!e.in_use || e.generation != used.generation) return;
    if (std::find(e.users.begin(), e.users.end(), &s) == e.users.end()) e.users.push_back(&s);
}

result<void> slab::release(const slot& used) {
    const std::lock_guard lock(mutex_);
    if (used.index >= entries_.size() || !entries_[used.index].in_use ||
        entries_[used.index].generation != used.generation) {
        return fail(errc::internal,
                    fmt::format("slot {} was released in generation {}, which is over", used.index, used.generation));
    }
    entry& e = entries_[used.index];
    for (stream* user : e.users)
        mark_done(e, *user);
    e.users.clear();
    e.in_use = false;
    device_.pool().slot_returned();
    ++e.generation;
    if (e.pending == 0) {
        ready_.push_back(used.index);
    } else {
        retiring_.push_back(used.index);
    }
    return {};
}

void slab::mark_done(entry& e, stream& user) {
    if (e.pending == e.done.size()) {
        auto made = device_.make_event();
        if (made) e.done.push_back(std::move(*made));
    }
    if (e.pending < e.done.size()) {
        user.record(*e.done[e.pending++]);
    } else if (!e.done.empty()) {
        // No event could be made for this stream: wait for the work that the last event marks, then reuse that event.
        event& last = *e.done.back();
        [[maybe_unused]] const auto ignored = wait_until_done(device_, last, waiting);
        user.record(last);
    }
}

bool slab::current(std::uint32_t index, std::uint64_t generation) const noexcept {
    const std::lock_guard lock(mutex_);
    return index < entries_.size() && entries_[index].in_use && entries_[index].generation == generation;
}

bool slab::idle() const {
    const std::lock_guard lock(mutex_);
    return std::all_of(entries_.begin(), entries_.end(), [](const entry& e) { return !e.in_use && passed(e); });
}

std::size_t slab::in_use() const {
    const std::lock_guard lock(mutex_);
    return entries_.size() - ready_.size() - retiring_.size();
}

}  // namespace faceflow::internal
