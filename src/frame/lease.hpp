// SPDX-License-Identifier: Apache-2.0
// A handle that keeps a slot, and so a frame's bytes, in use.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "device/slab.hpp"

namespace faceflow::internal {

// Owns one use of a slot; move-only. Destroying it records an event on every noted stream, so that the slot is reused
// only after the device has finished with it; the host does not wait. Noted streams must outlive the lease.
//
// shared() gives a lease several holders: the last to release it ends the use. It fits frame::hold.
class lease {
public:
    // errc::out_of_memory when every slot is in use.
    [[nodiscard]] static result<lease> acquire(std::shared_ptr<slab> from);

    lease() = default;
    lease(lease&& o) noexcept : slab_(std::move(o.slab_)), slot_(std::exchange(o.slot_, {})) {}
    lease& operator=(lease&& o) noexcept;
    ~lease() { reset(); }

    // Notes that work on `s` uses the slot; call it while the lease is held. Thread-safe, even on a shared lease.
    void used_on(stream& s) const;

    [[nodiscard]] const slot& where() const noexcept { return slot_; }
    [[nodiscard]] std::byte* address() const noexcept { return slot_.address; }
    [[nodiscard]] const std::shared_ptr<slab>& source() const noexcept { return slab_; }
    [[nodiscard]] explicit operator bool() const noexcept { return slab_ != nullptr; }

    [[nodiscard]] std::shared_ptr<const lease> shared() && { return std::make_shared<const lease>(std::move(*this)); }

    // Ends the use now.
    void reset() noexcept;

private:
    lease(std::shared_ptr<slab> from, const slot& taken) : slab_(std::move(from)), slot_(taken) {}

    std::shared_ptr<slab> slab_;
    slot slot_;
};

}  // namespace faceflow::internal
