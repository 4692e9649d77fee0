// SPDX-License-Identifier: Apache-2.0
// A device's own video decoder, used through FFmpeg.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

// For one codec context; call it on the decoding thread.
class hardware {
public:
    virtual ~hardware() = default;

    // Before the codec is opened: lets FFmpeg decode on the device what it can. Frames that it cannot decode there come
    // out in host memory.
    virtual void prepare(AVCodecContext& context) const = 0;

    // The pixel layout of a decoded frame on the device; AV_PIX_FMT_NONE if the frame is in host memory.
    [[nodiscard]] virtual AVPixelFormat layout_on_device(const AVFrame& decoded) const noexcept = 0;

    // Adds to the stream a copy of a frame on the device to `slot`, planes one after another without padding; `facts`
    // has its format and size. The frame is kept until the copy is done, so that the decoder does not overwrite it;
    // beyond a few frames, this waits for the oldest copy (a host sync of stage capture).
    [[nodiscard]] virtual result<void> copy(frame_ptr decoded, const image& facts, std::byte* slot) = 0;

    // Waits for pending copies and releases the kept frames: those of a codec context that is closed.
    virtual void forget() {}
};

}  // namespace faceflow::internal::media
