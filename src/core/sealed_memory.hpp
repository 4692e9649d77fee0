// SPDX-License-Identifier: Apache-2.0
// Anonymous memory shared by descriptor: its size is sealed, so that no process that maps it can be made to fault, and
// it is freed with the last process that holds it, however that ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal {

// Mappings are aligned to pages.
inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::align_val_t page_alignment{page_bytes};

enum class access : std::uint8_t { read_only, read_write };

// Owns one mapping; move-only.
class mapping {
public:
    mapping() = default;
    mapping(std::byte* base, std::size_t length, std::size_t skipped, std::size_t bytes) noexcept
        : base_(base),
          length_(length),
          skipped_(skipped),
          bytes_(bytes) {}
    mapping(mapping&& o) noexcept
        : base_(std::exchange(o.base_, nullptr)),
          length_(o.length_),
          skipped_(o.skipped_),
          bytes_(o.bytes_) {}
    mapping& operator=(mapping&& o) noexcept {
        std::swap(base_, o.base_);
        std::swap(length_, o.length_);
        std::swap(skipped_, o.skipped_);
        std::swap(bytes_, o.bytes_);
        return *this;
    }
    ~mapping();

    // The requested range.
    [[nodiscard]] std::byte* data() const noexcept { return base_ + skipped_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    // The whole pages that contain it.
    [[nodiscard]] std::byte* base() const noexcept { return base_; }
    [[nodiscard]] std::size_t length() const noexcept { return length_; }

private:
    std::byte* base_ = nullptr;
    std::size_t length_ = 0, skipped_ = 0, bytes_ = 0;
};

// Creates zeroed memory of exactly `bytes` (> 0), sparse until touched; `name` appears only in /proc.
// errc::out_of_memory with the system's reason and the limit to raise.
[[nodiscard]] result<unique_fd> make_sealed_memory(const char* name, std::size_t bytes);

// From now on the memory can be written only through existing mappings, not through any other descriptor, however it
// was opened. Permanent. No effect where the kernel (before 5.1) lacks such a seal; errc::io on other failures.
[[nodiscard]] result<void> seal_against_writers(int descriptor);

// Maps `bytes` from `offset` of an untrusted descriptor. errc::corrupt unless it is memory sealed against shrinking (a
// file that shrinks under a mapping kills its reader), of ordinary pages (huge pages may be missing when touched), that
// contains the range; errc::out_of_memory when the address space cannot be reserved.
[[nodiscard]] result<mapping> map_sealed_memory(int descriptor, std::uint64_t offset, std::uint64_t bytes,
                                                access wanted);

// Reserves `length` bytes of address space (whole pages) without access.
[[nodiscard]] result<mapping> reserve_addresses(std::size_t length);

}  // namespace faceflow::internal
