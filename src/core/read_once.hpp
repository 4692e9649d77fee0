// SPDX-License-Identifier: Apache-2.0
// Memory that another process may be writing: copied once, and from then on only the copy is looked at.
#pragma once

#include <cstring>
#include <type_traits>

namespace faceflow {

// What lies there now, though not all of it of one moment. A compiler may otherwise read the same memory again, after the check.
template <class T>
[[nodiscard]] T read_once(const T* from) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    T copy;
    std::memcpy(static_cast<void*>(&copy), from, sizeof copy);
    __asm__ __volatile__("" : : "r"(&copy) : "memory");
    return copy;
}

}  // namespace faceflow
