// SPDX-License-Identifier: Apache-2.0
// Frames that lie on a device, in host memory: for those who need their pixels, such as who draws on them.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "device/host_buffer.hpp"
#include "faceflow/result.hpp"
#include "frame/frame.hpp"

namespace faceflow {

// One thread at a time. The device outlives it.
class downloader {
public:
    // With a stream of its own. Errors of device::make_stream and make_event.
    [[nodiscard]] static result<downloader> create(device& d);

    // The picture of a frame that lies on the device (frame::stored), in host memory that stays as it is until the next call. Waits
    // until it is there: one transfer and one host sync of stage `at`. Page-locked memory is made for the first frame, and
    // for each that is larger than those before. Errors of device::allocate_host, and of the transfer.
    [[nodiscard]] result<image> fetch(const frame& from, stage at);

    [[nodiscard]] device& owner() const noexcept { return work_->owner(); }

private:
    downloader(std::unique_ptr<stream> work, std::unique_ptr<event> done);
    [[nodiscard]] result<void> reserve(std::size_t bytes);

    std::unique_ptr<stream> work_;
    std::unique_ptr<event> done_;
    host_buffer memory_;
};

}  // namespace faceflow
