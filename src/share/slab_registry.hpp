// SPDX-License-Identifier: Apache-2.0
// The slabs that clients map, under numbers, as read-only descriptors.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "core/unique_fd.hpp"
#include "flow/multi_process/exported_slabs.hpp"
#include "frame/lease.hpp"
#include "ipc/share_protocol.hpp"

namespace faceflow::internal::share {

// Not thread-safe: the server's lock guards it.
class slab_registry {
public:
    explicit slab_registry(device& d) : read_only_(d.imports_read_only()), exported_(d) {}

    struct slot_number {
        std::uint32_t slab = 0, slot = 0;
    };
    // The slab and slot of a lease; registers a new slab. Errors of device::export_memory; errc::unsupported unless the
    // memory is the host's, errc::io when it cannot be reopened read-only.
    [[nodiscard]] result<slot_number> find(const lease& of);

    struct entry {
        ipc::share_slab facts;
        std::shared_ptr<const unique_fd> memory;
    };
    // The present slabs, by ascending number. A client unmaps slabs that are no longer listed.
    [[nodiscard]] const std::map<std::uint32_t, entry>& entries() const noexcept { return entries_; }
    // Grows with each slab added or removed.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

private:
    [[nodiscard]] result<void> catch_up();

    const bool read_only_;  // clients can be kept from writing
    flow::exported_slabs exported_;
    flow::exported_slabs::announced read_;
    std::map<std::uint32_t, entry> entries_;
    std::uint64_t version_ = 0;
};

}  // namespace faceflow::internal::share
