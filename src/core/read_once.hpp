// SPDX-License-Identifier: Apache-2.0
// Reads memory that another process may be writing: it is copied once, and only the copy is used.
#pragma once

#include <cstring>
#include <type_traits>

namespace faceflow::internal {

// The present content, possibly torn. Without this, a compiler could read the memory a second time after a check.
template <class T>
[[nodiscard]] T read_once(const T* from) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    T copy;
    std::memcpy(static_cast<void*>(&copy), from, sizeof copy);
    __asm__ __volatile__("" : : "r"(&copy) : "memory");
    return copy;
}

}  // namespace faceflow::internal
