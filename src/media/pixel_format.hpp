// SPDX-License-Identifier: Apache-2.0
// From libav's frames to ours: layout, colour, rotation. Pixels stay where the decoder put them.
#pragma once

#include <memory>
#include <optional>

#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"
#include "media/turn.hpp"

namespace faceflow::media {

// none: faceflow cannot sample this layout in place.
[[nodiscard]] pixel_format to_pixel_format(AVPixelFormat format) noexcept;

// The other way round; AV_PIX_FMT_NONE where this FFmpeg has no name for it.
[[nodiscard]] AVPixelFormat to_libav_format(pixel_format format) noexcept;

// The format that faceflow can sample and that loses least of `format`.
[[nodiscard]] AVPixelFormat nearest_supported(AVPixelFormat format) noexcept;

// Of a 3x3 display matrix. Angles between quarter turns go to the nearest.
[[nodiscard]] turn_and_flip read_display_matrix(const std::int32_t* matrix) noexcept;

// For sws_getCoefficients.
[[nodiscard]] int libav_matrix(colour_matrix matrix) noexcept;

// What the frames themselves may leave open.
struct stream_traits {
    AVCodecID codec = AV_CODEC_ID_NONE;
    std::optional<turn_and_flip> turn;  // of the container
    // Of video: a pixel's width over its height as the container states it, 0/1 where the frames themselves do. Of pictures nullopt:
    // what they say of that is the resolution of some printer.
    std::optional<AVRational> aspect;
};

// How wide `width` columns are in square pixels; 0: they are square, or what is stated is no shape of a pixel.
[[nodiscard]] std::int32_t square_width_of(std::int32_t width, AVRational aspect) noexcept;

// Turns and mirrors what is upright already, as the user asked.
void turn_further(image& picture, const turn_and_flip& by) noexcept;

struct mapped_frame {
    image picture;
    std::shared_ptr<const void> owner;
    bool converted = false;
};

// Describes decoded frames as pictures; converts only those whose layout has no name here.
class frame_mapper {
public:
    explicit frame_mapper(stream_traits traits = {}) : traits_(traits) {}

    // Takes the frame; its buffers live as long as the owner does.
    [[nodiscard]] result<mapped_frame> map(frame_ptr frame);
    // The same without pixels, for a frame whose pixels lie elsewhere, in `layout`, which has a name here.
    [[nodiscard]] result<mapped_frame> describe(const AVFrame& frame, AVPixelFormat layout) const;

private:
    [[nodiscard]] result<frame_ptr> convert(const AVFrame& frame, AVPixelFormat target);

    stream_traits traits_;
    scaler_ptr scaler_;  // kept for the next frame of the same kind
};

}  // namespace faceflow::media
