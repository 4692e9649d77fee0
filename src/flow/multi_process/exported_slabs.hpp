// SPDX-License-Identifier: Apache-2.0
// Slabs shared with other processes, and the numbers by which messages refer to them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "core/unique_fd.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "frame/lease.hpp"

namespace faceflow::internal::flow {

// Thread-safe. Numbers are never reused. On a GPU an exported slab lives as long as this object.
class exported_slabs {
public:
    explicit exported_slabs(device& d) : device_(d) {}

    // The name of `of`'s slot for messages; exports its slab if it is new. Errors of device::export_memory.
    [[nodiscard]] result<slot_name> name_of(const lease& of);
    // True while the use named by `name`, in an exported slab, lasts.
    [[nodiscard]] bool current(const slot_name& name) const;

    struct entry {
        slab_facts facts;
        std::shared_ptr<const unique_fd> memory;  // null: the slab is gone
    };
    // The slabs that one importer knows.
    class announced {
    public:
        void add(const entry& e) {
            e.memory != nullptr ? static_cast<void>(numbers_.insert(e.facts.number))
                                : static_cast<void>(numbers_.erase(e.facts.number));
        }

    private:
        friend class exported_slabs;
        std::set<std::uint32_t> numbers_;
        std::uint64_t version_ = 0;
    };
    // Changes since `to` was last updated: first the slabs that are gone, then new ones. The caller sends each to the
    // importer and adds it to `to`.
    [[nodiscard]] std::vector<entry> changes_since(announced& to) const;

private:
    struct known {
        std::weak_ptr<slab> of;
        const slab* address = nullptr;
        entry announced_as;
        // CUDA requires that all importers unmap memory before its owner frees it, and they hear of it only with their
        // next call.
        std::shared_ptr<slab> held;
    };
    void collect_gone();

    device& device_;
    mutable std::mutex mutex_;
    std::vector<known> known_;
    std::uint64_t version_ = 0;  // grows with each slab added or removed
    std::uint32_t next_ = 0;
};

// Checks that `reply` answers `call`: it has the call's serial and, unless the call was refused, names the same uses of
// slots, which still last. `slabs` is null where nothing is shared. errc::corrupt says what differs.
[[nodiscard]] result<void> check_reply(const stage_call& call, const stage_reply& reply, const exported_slabs* slabs);

}  // namespace faceflow::internal::flow
