// SPDX-License-Identifier: Apache-2.0
// Memory of other processes' emulated devices in this one.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string_view>

#include "device/sharing.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

// As in an arena, a device address is one that nobody can touch, and its byte lies in a second mapping. Outlives the imports
// that it gives out. Thread-safe; finding takes a shared lock.
class import_table {
public:
    // Errors of map_sealed_memory.
    [[nodiscard]] result<std::unique_ptr<memory_import>> add(std::string_view device_name, const memory_export& from,
                                                             access wanted);

    // Where the bytes behind a device address are; nullptr when they are not all of one import, or only to be read.
    [[nodiscard]] std::byte* find(const std::byte* device_address, std::size_t bytes, bool to_write) const noexcept;

private:
    class entry;
    mutable std::shared_mutex mutex_;
    std::map<const std::byte*, const entry*> by_address_;
};

}  // namespace faceflow
