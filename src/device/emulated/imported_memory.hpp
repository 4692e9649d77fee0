// SPDX-License-Identifier: Apache-2.0
// Imports of other processes' emulated device memory.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string_view>

#include "device/sharing.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal {

// As in emulated_arena, device addresses are inaccessible and their bytes lie in a second mapping. The table outlives
// the imports that it returns. Thread-safe; lookups take a shared lock.
class import_table {
public:
    // Errors of map_sealed_memory.
    [[nodiscard]] result<std::unique_ptr<memory_import>> add(std::string_view device_name, const memory_export& from,
                                                             access wanted);

    // The host mapping of a device address; nullptr if the bytes are not all of one import, or if `to_write` and the
    // import is read-only.
    [[nodiscard]] std::byte* find(const std::byte* device_address, std::size_t bytes, bool to_write) const noexcept;

private:
    class entry;
    mutable std::shared_mutex mutex_;
    std::map<const std::byte*, const entry*> by_address_;
};

}  // namespace faceflow::internal
