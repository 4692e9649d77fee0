// SPDX-License-Identifier: Apache-2.0
// Memory without a name that processes share by descriptor: sealed at its size, so that nobody who maps it can be made to
// fault, and gone with the last process that holds it, however that one ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

// What mappings begin and end at.
inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::align_val_t page_alignment{page_bytes};

enum class access : std::uint8_t { read_only, read_write };

// Owner of one mapping; move-only.
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

    // What was asked for.
    [[nodiscard]] std::byte* data() const noexcept { return base_ + skipped_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    // The whole pages around it.
    [[nodiscard]] std::byte* base() const noexcept { return base_; }
    [[nodiscard]] std::size_t length() const noexcept { return length_; }

private:
    std::byte* base_ = nullptr;
    std::size_t length_ = 0, skipped_ = 0, bytes_ = 0;
};

// Zeroed memory of exactly `bytes` (> 0), sparse until touched; `name` is seen in /proc alone. errc::out_of_memory with the
// system's reason, and what to raise.
[[nodiscard]] result<unique_fd> make_sealed_memory(const char* name, std::size_t bytes);

// From now on nobody can write the memory behind `descriptor` but through the mappings that there are: not through another
// descriptor either, however it was opened. For good. Nothing where the kernel (before 5.1) has no such seal; errc::io else.
[[nodiscard]] result<void> seal_against_writers(int descriptor);

// Maps `bytes` from `offset` of a descriptor that came from who knows where. errc::corrupt when that is no memory sealed against
// shrinking (a file that shrinks under a mapping kills who reads it), of pages that may be missing when they are touched (huge
// ones), or the range leaves it; errc::out_of_memory when the address space cannot be had.
[[nodiscard]] result<mapping> map_sealed_memory(int descriptor, std::uint64_t offset, std::uint64_t bytes,
                                                access wanted);

// Addresses of `length` bytes (whole pages) that nobody can touch.
[[nodiscard]] result<mapping> reserve_addresses(std::size_t length);

}  // namespace faceflow
