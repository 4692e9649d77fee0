// SPDX-License-Identifier: Apache-2.0
#include "frame/lease.hpp"

#include "core/try.hpp"

namespace faceflow::internal {

result<lease> lease::acquire(std::shared_ptr<slab> from) {
    FACEFLOW_ASSIGN(auto taken, from->acquire());
    return lease(std::move(from), taken);
}

lease& lease::operator=(lease&& o) noexcept {
    if (this != &o) {
        reset();
        slab_ = std::move(o.slab_);
        slot_ = std::exchange(o.slot_, {});
    }
    return *this;
}

void lease::used_on(stream& s) const {
    if (slab_ != nullptr) slab_->note_use(slot_, s);
}

void lease::reset() noexcept {
    if (slab_ == nullptr) return;
    // Cannot fail: only this lease releases this generation.
    [[maybe_unused]] const auto released = slab_->release(slot_);
    slab_.reset();
    slot_ = {};
}

}  // namespace faceflow::internal
