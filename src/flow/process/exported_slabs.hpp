// The slabs whose slots other processes work in, under numbers that messages name them by.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/unique_fd.hpp"
#include "flow/process/stage_protocol.hpp"
#include "frame/lease.hpp"

namespace faceflow::flow {

// Thread-safe. Numbers are never used twice.
class exported_slabs {
public:
    explicit exported_slabs(device& on) : device_(on) {}

    // How messages name the slot of `of`; exports its slab when it is new. Errors of device::export_memory.
    [[nodiscard]] result<slot_name> name_of(const lease& of);

    struct entry {
        slab_facts facts;
        std::shared_ptr<const unique_fd> memory;  // null: it is gone
    };
    // What has come and gone since `mark` (0: all that is there), in order; moves the mark.
    [[nodiscard]] std::vector<entry> since(std::uint64_t& mark);

private:
    struct known {
        std::weak_ptr<slab> of;
        const slab* address = nullptr;
        entry told;
    };
    void collect_gone();

    device& device_;
    std::mutex mutex_;
    std::vector<known> known_;
    std::vector<entry> history_;
    std::uint32_t next_ = 0;
};

}  // namespace faceflow::flow
