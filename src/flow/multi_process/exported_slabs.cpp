// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/exported_slabs.hpp"

#include "core/try.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace faceflow::internal::flow {

result<slot_name> exported_slabs::name_of(const lease& of) {
    const std::shared_ptr<slab>& from = of.source();
    const std::lock_guard lock(mutex_);
    collect_gone();
    auto at = std::find_if(known_.begin(), known_.end(), [&](const known& k) { return k.address == from.get(); });
    if (at == known_.end()) {
        FACEFLOW_ASSIGN(auto shared, device_.export_memory(from->memory(), from->slot_bytes() * from->slots()));
        entry e;
        e.facts.number = next_++;
        e.facts.slots = static_cast<std::uint32_t>(from->slots());
        e.facts.slot_bytes = from->slot_bytes();
        e.facts.where = shared.where;
        e.memory = std::make_shared<const unique_fd>(std::move(shared.descriptor));
        known_.push_back({from, from.get(), std::move(e), device_.computes_on_host() ? nullptr : from});
        ++version_;
        at = known_.end() - 1;
    }
    return slot_name{at->announced_as.facts.number, of.where().index, of.where().generation};
}

bool exported_slabs::current(const slot_name& name) const {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(known_.begin(), known_.end(),
                                 [&](const known& k) { return k.announced_as.facts.number == name.slab; });
    const auto from = at != known_.end() ? at->of.lock() : nullptr;
    return from != nullptr && from->current(name.slot, name.generation);
}

void exported_slabs::collect_gone() {
    version_ += std::erase_if(known_, [](const known& k) { return k.of.expired(); });
}

std::vector<exported_slabs::entry> exported_slabs::changes_since(announced& to) const {
    const std::lock_guard lock(mutex_);
    if (to.version_ == version_) return {};
    std::vector<entry> all;
    for (const std::uint32_t number : to.numbers_) {
        const bool there = std::any_of(known_.begin(), known_.end(),
                                       [&](const known& k) { return k.announced_as.facts.number == number; });
        if (there) continue;
        entry gone;
        gone.facts.number = number;
        all.push_back(std::move(gone));
    }
    for (const known& k : known_) {
        if (!to.numbers_.contains(k.announced_as.facts.number)) all.push_back(k.announced_as);
    }
    // Repeats the changes on each call until the caller has added them all to `to`.
    if (all.empty()) to.version_ = version_;
    return all;
}

result<void> check_reply(const stage_call& call, const stage_reply& reply, const exported_slabs* slabs) {
    if (reply.serial != call.serial)
        return fail(errc::corrupt,
                    fmt::format("received the answer to call {} for call {}", reply.serial, call.serial));
    if (reply.status != 0) return {};
    for (const auto& [asked, answered] : {std::pair{call.frame, reply.frame}, {call.memory, reply.memory}}) {
        if (answered != asked) {
            return fail(errc::corrupt,
                        fmt::format("an answer about slot {} of slab {} in generation {} came for slot {} of slab {} "
                                    "in generation {}",
                                    answered.slot, answered.slab, answered.generation, asked.slot, asked.slab,
                                    asked.generation));
        }
        if (slabs != nullptr && !slabs->current(answered)) {
            return fail(errc::corrupt, fmt::format("generation {} of slot {} of slab {} is over", answered.generation,
                                                   answered.slot, answered.slab));
        }
    }
    return {};
}

}  // namespace faceflow::internal::flow
