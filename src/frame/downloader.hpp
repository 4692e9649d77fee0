// SPDX-License-Identifier: Apache-2.0
// Downloads frames from a device, for code that needs their pixels on the host, such as drawing.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "device/host_buffer.hpp"
#include "faceflow/result.hpp"
#include "frame/frame.hpp"

namespace faceflow::internal {

// Use it from one thread at a time. The device outlives it.
class downloader {
public:
    // Creates a stream of its own. Errors of device::make_stream and make_event.
    [[nodiscard]] static result<downloader> create(device& d);

    // Copies the picture of a frame on the device (frame::stored) to host memory, which stays valid and unchanged until
    // the next call. Blocks until it has arrived: one transfer and one host sync under stage `at`. Allocates
    // page-locked memory for the first frame and for each larger one. Errors of device::allocate_host and of the
    // transfer.
    [[nodiscard]] result<image> fetch(const frame& from, stage at);

    [[nodiscard]] device& owner() const noexcept { return work_->owner(); }

private:
    downloader(std::unique_ptr<stream> work, std::unique_ptr<event> done);
    [[nodiscard]] result<void> reserve(std::size_t bytes);

    std::unique_ptr<stream> work_;
    std::unique_ptr<event> done_;
    host_buffer memory_;
};

}  // namespace faceflow::internal
