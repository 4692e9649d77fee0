// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/arena.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <new>

#include "core/sealed_memory.hpp"

namespace faceflow::internal {
namespace {

// Smaller freed blocks keep their pages: returning them costs more than it saves.
constexpr std::size_t worth_giving_back = std::size_t{1} << 20;

constexpr std::size_t rounded(std::size_t bytes, std::size_t to) {
    return (bytes + to - 1) / to * to;
}

tl::unexpected<error> no_arena(std::string_view device_name, std::size_t bytes, int reason) {
    return fail(errc::out_of_memory,
                fmt::format("cannot make {:.1f} MiB of memory for device {}: {}; lower --device-memory",
                            static_cast<double>(bytes) / 0x1p20, device_name, std::strerror(reason)));
}

}  // namespace

result<std::unique_ptr<emulated_arena>> emulated_arena::create(std::string_view device_name, std::size_t bytes) {
    bytes = rounded(bytes, page_bytes);
    const int descriptor = ::memfd_create("faceflow-device", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return no_arena(device_name, bytes, errno);
    void* view = MAP_FAILED;
    if (::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 &&
        ::fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0) {
        view = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
    }
    void* const base = view == MAP_FAILED
                           ? MAP_FAILED
                           : ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        const int reason = errno;
        if (view != MAP_FAILED) ::munmap(view, bytes);
        ::close(descriptor);
        return no_arena(device_name, bytes, reason);
    }
    return std::unique_ptr<emulated_arena>(new emulated_arena(device_name, descriptor, static_cast<std::byte*>(base),
                                                              static_cast<std::byte*>(view), bytes));
}

emulated_arena::emulated_arena(std::string_view device_name, int descriptor, std::byte* base, std::byte* view,
                               std::size_t bytes)
    : descriptor_(descriptor),
      base_(base),
      view_(view),
      bytes_(bytes),
      faults_(device_name, base, bytes) {
    insert_hole(0, bytes);
}

emulated_arena::~emulated_arena() {
    ::munmap(base_, bytes_);
    ::munmap(view_, bytes_);
    ::close(descriptor_);
}

void emulated_arena::insert_hole(std::size_t offset, std::size_t bytes) {
    const auto hole = holes_.emplace(offset, bytes).first;
    try {
        by_size_.emplace(bytes, offset);
    } catch (...) {
        holes_.erase(hole);
        throw;
    }
}

result<std::byte*> emulated_arena::allocate(std::size_t bytes) {
    const std::size_t want = capped_resource::counted(bytes);
    const std::lock_guard lock(mutex_);
    const auto best = by_size_.lower_bound({want, 0});
    if (best == by_size_.end()) {
        return fail(errc::out_of_memory, fmt::format("no {:.1f} MiB of device memory are free in one piece",
                                                     static_cast<double>(want) / 0x1p20));
    }
    const auto [size, offset] = *best;
    by_size_.erase(best);
    holes_.erase(offset);
    if (size > want) insert_hole(offset + want, size - want);
    return base_ + offset;
}

void emulated_arena::deallocate(std::byte* memory, std::size_t bytes) noexcept {
    if (memory == nullptr) return;
    auto offset = static_cast<std::size_t>(memory - base_);
    std::size_t size = capped_resource::counted(bytes);
    const std::lock_guard lock(mutex_);
    if (size >= worth_giving_back) give_pages_back(offset, size);
    const auto after = holes_.lower_bound(offset);
    if (after != holes_.begin()) {
        const auto before = std::prev(after);
        if (before->first + before->second == offset) {
            offset = before->first;
            size += before->second;
            by_size_.erase({before->second, before->first});
            holes_.erase(before);
        }
    }
    if (after != holes_.end() && offset + size == after->first) {
        size += after->second;
        by_size_.erase({after->second, after->first});
        holes_.erase(after);
    }
    try {
        insert_hole(offset, size);
    } catch (const std::bad_alloc&) {
        // If there is no memory to record the hole, the device loses this block, and the program continues.
    }
}

void emulated_arena::give_pages_back(std::size_t offset, std::size_t bytes) const noexcept {
    const std::size_t first = rounded(offset, page_bytes), last = (offset + bytes) / page_bytes * page_bytes;
    if (first >= last) return;
    // On failure the pages merely stay allocated.
    [[maybe_unused]] const int ignored = ::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                     static_cast<off_t>(first), static_cast<off_t>(last - first));
}

std::byte* emulated_arena::mapped(const std::byte* device_address) const noexcept {
    // One past the end may be another mapping's first.
    return contains(device_address, 1) ? view_ + (device_address - base_) : nullptr;
}

bool emulated_arena::contains(const std::byte* device_address, std::size_t bytes) const noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(device_address),
               first = reinterpret_cast<std::uintptr_t>(base_);
    return address >= first && address - first <= bytes_ && bytes <= bytes_ - (address - first);
}

}  // namespace faceflow::internal
