// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "core/try.hpp"
#include "device/device.hpp"

namespace faceflow::internal {

// Owns one block of a device's host memory; the device outlives it; move-only.
class host_buffer {
public:
    host_buffer() = default;
    // Errors of device::allocate_host.
    [[nodiscard]] static result<host_buffer> allocate(device& from, std::size_t bytes, bool pinned) {
        FACEFLOW_ASSIGN(auto block, from.allocate_host(bytes, pinned));
        return host_buffer(from, block);
    }
    host_buffer(host_buffer&& o) noexcept
        : from_(std::exchange(o.from_, nullptr)),
          block_(std::exchange(o.block_, {})) {}
    host_buffer& operator=(host_buffer&& o) noexcept {
        std::swap(from_, o.from_);
        std::swap(block_, o.block_);
        return *this;
    }
    ~host_buffer() {
        if (from_ != nullptr) from_->release_host(block_);
    }

    [[nodiscard]] const host_block& block() const noexcept { return block_; }
    [[nodiscard]] std::byte* data() const noexcept { return block_.data; }

private:
    host_buffer(device& from, const host_block& block) : from_(&from), block_(block) {}
    device* from_ = nullptr;
    host_block block_;
};

}  // namespace faceflow::internal
