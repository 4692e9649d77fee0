// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace faceflow::internal {

// Closes its descriptor; move-only. Every descriptor of faceflow is close-on-exec.
class unique_fd {
public:
    unique_fd() = default;
    explicit unique_fd(int descriptor) noexcept : descriptor_(descriptor) {}
    unique_fd(unique_fd&& o) noexcept : descriptor_(std::exchange(o.descriptor_, -1)) {}
    unique_fd& operator=(unique_fd&& o) noexcept {
        if (this != &o) reset(std::exchange(o.descriptor_, -1));
        return *this;
    }
    ~unique_fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return descriptor_; }
    [[nodiscard]] explicit operator bool() const noexcept { return descriptor_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }
    void reset(int descriptor = -1) noexcept {
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = descriptor;
    }
    // A duplicate; empty, with errno set, on failure.
    [[nodiscard]] unique_fd duplicate() const noexcept { return unique_fd(::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0)); }

private:
    int descriptor_ = -1;
};

}  // namespace faceflow::internal
