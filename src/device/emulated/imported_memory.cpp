// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/imported_memory.hpp"

#include <iterator>
#include <utility>

#include "core/try.hpp"
#include "device/emulated/fault_reporter.hpp"

namespace faceflow::internal {

class import_table::entry final : public memory_import {
public:
    entry(import_table& table, std::string_view device_name, mapping view, mapping addresses, access allowed)
        : table_(table),
          view_(std::move(view)),
          addresses_(std::move(addresses)),
          allowed_(allowed),
          faults_(device_name, addresses_.base(), addresses_.length()) {
        const std::unique_lock lock(table_.mutex_);
        table_.by_address_.emplace(data(), this);
    }
    ~entry() override {
        const std::unique_lock lock(table_.mutex_);
        table_.by_address_.erase(data());
    }

    std::byte* data() const noexcept override { return addresses_.base() + (view_.data() - view_.base()); }
    std::size_t bytes() const noexcept override { return view_.bytes(); }
    std::byte* mapped() const noexcept { return view_.data(); }
    bool writable() const noexcept { return allowed_ == access::read_write; }

private:
    import_table& table_;
    const mapping view_, addresses_;
    const access allowed_;
    const fault_range faults_;
};

result<std::unique_ptr<memory_import>> import_table::add(std::string_view device_name, const memory_export& from,
                                                         access wanted) {
    FACEFLOW_ASSIGN(auto view, map_sealed_memory(from.descriptor.get(), from.where.offset, from.where.bytes, wanted));
    FACEFLOW_ASSIGN(auto addresses, reserve_addresses(view.length()));
    return std::make_unique<entry>(*this, device_name, std::move(view), std::move(addresses), wanted);
}

std::byte* import_table::find(const std::byte* device_address, std::size_t bytes, bool to_write) const noexcept {
    const std::shared_lock lock(mutex_);
    const auto after = by_address_.upper_bound(device_address);
    if (after == by_address_.begin()) return nullptr;
    const entry& found = *std::prev(after)->second;
    const auto into = static_cast<std::size_t>(device_address - found.data());
    if (into >= found.bytes() || bytes > found.bytes() - into || (to_write && !found.writable())) return nullptr;
    return found.mapped() + into;
}

}  // namespace faceflow::internal
