// SPDX-License-Identifier: Apache-2.0
// The slabs that clients map: under numbers, as descriptors that they can only read by.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "core/unique_fd.hpp"
#include "flow/multi_process/exported_slabs.hpp"
#include "frame/lease.hpp"
#include "ipc/share_protocol.hpp"

namespace faceflow::share {

// Not thread-safe: the server's lock guards it.
class slab_registry {
public:
    explicit slab_registry(device& d) : exported_(d) {}

    struct slot_number {
        std::uint32_t slab = 0, slot = 0;
    };
    // Where the lease's slot is; a new slab enters the book. Errors of device::export_memory; errc::unsupported where the
    // memory is not the host's, errc::io when it cannot be opened for reading alone.
    [[nodiscard]] result<slot_number> find(const lease& of);

    struct entry {
        ipc::share_slab facts;
        std::shared_ptr<const unique_fd> memory;
    };
    // Those that there are, by their numbers, which only grow. A client lets go of what is not among them any more.
    [[nodiscard]] const std::map<std::uint32_t, entry>& entries() const noexcept { return entries_; }
    // Grows with each that comes or goes.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

private:
    [[nodiscard]] result<void> catch_up();

    flow::exported_slabs exported_;
    flow::exported_slabs::announced read_;
    std::map<std::uint32_t, entry> entries_;
    std::uint64_t version_ = 0;
};

}  // namespace faceflow::share
