// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/host_pool.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace faceflow::internal {

result<std::byte*> host_pool::allocate(std::size_t bytes) {
    if (bytes >= shareable) {
        if (std::byte* const shared = allocate_shared(bytes)) return shared;
    }
    auto* memory = static_cast<std::byte*>(::operator new(bytes, alignment, std::nothrow));
    if (memory == nullptr) return fail(errc::out_of_memory, "the machine is out of memory");
    return memory;
}

std::byte* host_pool::allocate_shared(std::size_t bytes) {
    auto descriptor = make_sealed_memory("faceflow-cpu", bytes);
    auto view = descriptor ? map_sealed_memory(descriptor->get(), 0, bytes, access::read_write)
                           : result<mapping>(tl::unexpected(descriptor.error()));
    const std::lock_guard lock(mutex_);
    if (!view) {
        refusal_ = view.error().message;
        return nullptr;
    }
    std::byte* const memory = view->data();
    shared_.emplace(memory, shared_block{std::move(*descriptor), std::move(*view)});
    return memory;
}

void host_pool::deallocate(std::byte* memory, std::size_t bytes) noexcept {
    if (bytes >= shareable && deallocate_shared(memory)) return;
    ::operator delete(memory, alignment);
}

bool host_pool::deallocate_shared(std::byte* memory) noexcept {
    const std::lock_guard lock(mutex_);
    return shared_.erase(memory) != 0;
}

result<memory_export> host_pool::export_memory(std::byte* memory, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = shared_.find(memory);
    if (found == shared_.end() && bytes >= shareable) {
        return fail(errc::unavailable, fmt::format("{} bytes of the cpu device cannot be shared with a process{}{}",
                                                   bytes, refusal_.empty() ? "" : ": ", refusal_));
    }
    if (found == shared_.end()) {
        return fail(errc::unsupported,
                    fmt::format("{} bytes of the cpu device cannot be shared with a process: only whole "
                                "allocations of {} KiB and more can; allocate more at once",
                                bytes, shareable >> 10));
    }
    if (bytes == 0 || bytes > found->second.view.bytes()) {
        return fail(errc::invalid_argument,
                    fmt::format("cannot export {} bytes of an allocation of {}", bytes, found->second.view.bytes()));
    }
    auto descriptor = found->second.descriptor.duplicate();
    if (!descriptor) {
        return fail(errc::unavailable,
                    fmt::format("no descriptor to export memory by: {}; raise the limit of open files "
                                "(ulimit -n)",
                                std::strerror(errno)));
    }
    return memory_export{{device_kind::cpu, 0, bytes, {}}, std::move(descriptor)};
}

}  // namespace faceflow::internal
