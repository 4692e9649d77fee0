// SPDX-License-Identifier: Apache-2.0
// Detects that this process is a forked child, without a system call each time.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <new>

namespace faceflow::internal::client {

// Created in one process; its copy in a forked child knows that it is a copy. Thread-safe.
class fork_guard {
public:
    fork_guard() noexcept : made_by_(::getpid()) {
        void* const page = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return;
        // A child finds zeros there. Kernels before 4.14 lack this advice.
        if (::madvise(page, page_bytes, MADV_WIPEONFORK) != 0) {
            ::munmap(page, page_bytes);
            return;
        }
        mark_ = new (page) std::atomic<int>(1);
    }
    ~fork_guard() {
        if (mark_ != nullptr) ::munmap(static_cast<void*>(mark_), page_bytes);
    }
    fork_guard(const fork_guard&) = delete;
    fork_guard& operator=(const fork_guard&) = delete;

    // True in the process that created it.
    [[nodiscard]] bool same_process() const noexcept {
        return mark_ != nullptr ? mark_->load(std::memory_order_relaxed) == 1 : ::getpid() == made_by_;
    }

private:
    static constexpr std::size_t page_bytes = 4096;
    const pid_t made_by_;
    std::atomic<int>* mark_ = nullptr;
};

}  // namespace faceflow::internal::client
