// SPDX-License-Identifier: Apache-2.0
// The slabs whose slots other processes work in, under numbers that messages name them by.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "core/unique_fd.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "frame/lease.hpp"

namespace faceflow::flow {

// Thread-safe. Numbers are never used twice. On a GPU a slab that was exported stays to the end.
class exported_slabs {
public:
    explicit exported_slabs(device& d) : device_(d) {}

    // How messages name the slot of `of`; exports its slab when it is new. Errors of device::export_memory.
    [[nodiscard]] result<slot_name> name_of(const lease& of);
    // True while the use that `name` names lasts, of a slab that was exported.
    [[nodiscard]] bool current(const slot_name& name) const;

    struct entry {
        slab_facts facts;
        std::shared_ptr<const unique_fd> memory;  // null: it is gone
    };
    // The slabs that one importer knows of.
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
    // What changed since `to` was last brought up to date: first the slabs that are gone, then new ones. The caller sends each to the
    // importer and adds it to `to`.
    [[nodiscard]] std::vector<entry> changes_since(announced& to) const;

private:
    struct known {
        std::weak_ptr<slab> of;
        const slab* address = nullptr;
        entry announced_as;
        // CUDA wants all importers to unmap memory before its owner frees it, and they learn of that with their next call only.
        std::shared_ptr<slab> held;
    };
    void collect_gone();

    device& device_;
    mutable std::mutex mutex_;
    std::vector<known> known_;
    std::uint64_t version_ = 0;  // grows with each that comes or goes
    std::uint32_t next_ = 0;
};

// Whether `reply` is the answer to `call`: that serial and, where it was taken, those uses of slots, which are not over. `slabs` is
// null where nothing is shared. errc::corrupt says what it is instead.
[[nodiscard]] result<void> check_reply(const stage_call& call, const stage_reply& reply, const exported_slabs* slabs);

}  // namespace faceflow::flow
