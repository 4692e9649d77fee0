// SPDX-License-Identifier: Apache-2.0
#include "core/sealed_memory.hpp"

#include "core/try.hpp"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

namespace faceflow::internal {
namespace {

// Kernels before 5.1 lack this seal, and so do old headers.
constexpr int seal_future_write = 0x0010;

tl::unexpected<error> no_memory(std::string_view what, std::uint64_t bytes, int reason) {
    const bool no_descriptor = reason == EMFILE || reason == ENFILE;
    return fail(errc::out_of_memory,
                fmt::format("cannot {} {:.1f} MiB of shared memory: {}{}", what, static_cast<double>(bytes) / 0x1p20,
                            std::strerror(reason), no_descriptor ? "; raise the limit of open files (ulimit -n)" : ""));
}

// The size of the memory behind a descriptor, once it is known not to shrink.
result<std::uint64_t> settled_size(int descriptor) {
    const int seals = ::fcntl(descriptor, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
        return fail(errc::corrupt, fmt::format("descriptor {} is not memory sealed against shrinking: its sender could "
                                               "take it away under its reader; it is refused",
                                               descriptor));
    }
    // A pool of huge pages may have none left when one is touched, which kills the process that touches it.
    struct statfs system {};
    if (::fstatfs(descriptor, &system) != 0 || system.f_type != TMPFS_MAGIC) {
        return fail(errc::corrupt, fmt::format("descriptor {} is not ordinary shared memory: its pages may be missing "
                                               "when they are touched; it is refused",
                                               descriptor));
    }
    struct stat facts {};
    if (::fstat(descriptor, &facts) != 0)
        return fail(errc::corrupt, fmt::format("descriptor {} has no size: {}", descriptor, std::strerror(errno)));
    return static_cast<std::uint64_t>(facts.st_size);
}

}  // namespace

mapping::~mapping() {
    if (base_ != nullptr) ::munmap(base_, length_);
}

result<unique_fd> make_sealed_memory(const char* name, std::size_t bytes) {
    unique_fd made(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!made || ::ftruncate(made.get(), static_cast<off_t>(bytes)) != 0 ||
        ::fcntl(made.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
        return no_memory("make", bytes, errno);
    }
    return made;
}

result<void> seal_against_writers(int descriptor) {
    if (::fcntl(descriptor, F_ADD_SEALS, seal_future_write | F_SEAL_SEAL) == 0 || errno == EINVAL) return {};
    const int reason = errno;
    // The memory may already be sealed through another descriptor.
    const int seals = ::fcntl(descriptor, F_GET_SEALS);
    if (seals >= 0 && (seals & seal_future_write) != 0) return {};
    return fail(errc::io, fmt::format("shared memory cannot be sealed against writers: {}", std::strerror(reason)));
}

result<mapping> map_sealed_memory(int descriptor, std::uint64_t offset, std::uint64_t bytes, access wanted) {
    FACEFLOW_ASSIGN(const auto size, settled_size(descriptor));
    if (bytes == 0 || offset > size || bytes > size - offset) {
        return fail(errc::corrupt,
                    fmt::format("{} bytes from {} do not lie in shared memory of {} bytes", bytes, offset, size));
    }
    const std::uint64_t first = offset / page_bytes * page_bytes;
    const std::uint64_t length = (offset + bytes + page_bytes - 1) / page_bytes * page_bytes - first;
    const int protection = wanted == access::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
    void* const base =
        ::mmap(nullptr, length, protection, MAP_SHARED | MAP_NORESERVE, descriptor, static_cast<off_t>(first));
    if (base == MAP_FAILED) return no_memory("map", bytes, errno);
    return mapping(static_cast<std::byte*>(base), length, offset - first, bytes);
}

result<mapping> reserve_addresses(std::size_t length) {
    void* const base = ::mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return no_memory("reserve", length, errno);
    return mapping(static_cast<std::byte*>(base), length, 0, length);
}

}  // namespace faceflow::internal
