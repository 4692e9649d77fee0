// SPDX-License-Identifier: Apache-2.0
// Frames that a decoder leaves on a device: the source's own stream, and slots that sources may share.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "frame/frame_store.hpp"

namespace faceflow::internal::media {

// Frames keep this object alive, and it keeps its stream alive; the device outlives them all. One thread at a time
// makes frames.
class device_frames : public std::enable_shared_from_this<device_frames> {
public:
    // Uses slots of `store`, from make_store; null: a store of its own. Errors of device::make_stream.
    [[nodiscard]] static result<std::shared_ptr<device_frames>> create(device& d,
                                                                       std::shared_ptr<frame_store> store = nullptr);
    // A store for any number of sources that decode on the device, which outlives it.
    [[nodiscard]] static std::shared_ptr<frame_store> make_store(device& d);

    // The stream on which frames are filled.
    [[nodiscard]] stream& work() noexcept { return *work_; }

    // See frame_store::produce. errc::out_of_memory when the pool has no room: this frame is lost, a later one may fit.
    [[nodiscard]] result<std::shared_ptr<const frame>> produce(const image& picture, const frame_id& id,
                                                               const frame_store::filler& fill);

private:
    device_frames(std::unique_ptr<stream> work, std::shared_ptr<frame_store> store);

    std::unique_ptr<stream> work_;  // destroyed after the slots that were used on it
    const std::shared_ptr<frame_store> store_;
};

}  // namespace faceflow::internal::media
