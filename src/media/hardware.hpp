// SPDX-License-Identifier: Apache-2.0
// The decoder that a device has of its own, beneath FFmpeg's.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::media {

// One codec context's; by the thread that decodes.
class hardware {
public:
    virtual ~hardware() = default;

    // Before the codec is opened: has FFmpeg decode on the device what that can. Frames that it cannot come out in host memory.
    virtual void prepare(AVCodecContext& context) const = 0;

    // How the pixels of a decoded frame lie on the device; AV_PIX_FMT_NONE when they lie in host memory.
    [[nodiscard]] virtual AVPixelFormat layout_on_device(const AVFrame& decoded) const noexcept = 0;

    // Adds to the stream the work that copies a frame on the device to `slot`, planes one behind the other without padding; `facts`
    // has its format and size. The frame is kept until that is done, so that the decoder does not write over it: a few
    // frames at most, then the oldest is waited for (a host sync of stage capture).
    [[nodiscard]] virtual result<void> copy(frame_ptr decoded, const image& facts, std::byte* slot) = 0;

    // Lets go of frames that were kept, once they are copied: those of a codec context that is closed.
    virtual void forget() {}
};

// `by` is a stream of the device, and outlives it. On cuda NVDEC, through FFmpeg's; on emulated devices a model of one: FFmpeg's
// software decoder, whose pictures a task of the stream puts into device memory, without a transfer, as a card's
// decoder would. errc::unsupported on cpu; errc::unavailable with the reason when FFmpeg or the driver has none.
[[nodiscard]] result<std::unique_ptr<hardware>> open_hardware(stream& by);

}  // namespace faceflow::media
