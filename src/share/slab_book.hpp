// The slabs that clients map: under numbers, as descriptors that they can only read by.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/unique_fd.hpp"
#include "flow/process/exported_slabs.hpp"
#include "frame/lease.hpp"
#include "ipc/share_protocol.hpp"

namespace faceflow::share {

// Not thread-safe: the server's lock guards it.
class slab_book {
public:
    explicit slab_book(device& on) : exported_(on) {}

    struct slot_number {
        std::uint32_t slab = 0, slot = 0;
    };
    // Where the lease's slot is; a new slab enters the book. Errors of device::export_memory; errc::unsupported where the
    // memory is not the host's, errc::io when it cannot be opened for reading alone.
    [[nodiscard]] result<slot_number> find(const lease& of);

    struct entry {
        ipc::share_slab facts;
        std::shared_ptr<const unique_fd> memory;  // null: it is gone, and whoever has it mapped lets go
    };
    // All that came and went, in order. Entries are only added; a slab that went loses its memory where it came, too.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

private:
    [[nodiscard]] result<void> catch_up();

    flow::exported_slabs exported_;
    std::uint64_t read_ = 0;
    std::vector<entry> entries_;
};

}  // namespace faceflow::share
