// SPDX-License-Identifier: Apache-2.0
// Converts libav's frames to ours: layout, colour, rotation. Pixels stay in place.
#pragma once

#include <memory>
#include <optional>

#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"
#include "media/turn.hpp"

namespace faceflow::internal::media {

// none: faceflow cannot sample this layout in place.
[[nodiscard]] pixel_format to_pixel_format(AVPixelFormat format) noexcept;

// The reverse; AV_PIX_FMT_NONE if this FFmpeg has no such format.
[[nodiscard]] AVPixelFormat to_libav_format(pixel_format format) noexcept;

// The format that faceflow can sample with the least loss from `format`.
[[nodiscard]] AVPixelFormat nearest_supported(AVPixelFormat format) noexcept;

// Reads a 3x3 display matrix. Angles are rounded to quarter turns.
[[nodiscard]] turn_and_flip read_display_matrix(const std::int32_t* matrix) noexcept;

// The argument for sws_getCoefficients.
[[nodiscard]] int libav_matrix(colour_matrix matrix) noexcept;

// Facts that the frames themselves may leave open.
struct stream_traits {
    AVCodecID codec = AV_CODEC_ID_NONE;
    std::optional<turn_and_flip> turn;  // from the container
    // For video: a pixel's width over its height from the container; 0/1 if the frames state it themselves. nullopt for
    // pictures: their aspect is usually a print resolution.
    std::optional<AVRational> aspect;
};

// The width of `width` columns in square pixels; 0: they are square, or the stated aspect is implausible.
[[nodiscard]] std::int32_t square_width_of(std::int32_t width, AVRational aspect) noexcept;

// Additionally turns and mirrors an upright picture, as the user asked.
void turn_further(image& picture, const turn_and_flip& by) noexcept;

struct mapped_frame {
    image picture;
    std::shared_ptr<const void> owner;
    bool converted = false;
};

// Describes decoded frames as pictures; converts only those whose layout faceflow does not support.
class frame_mapper {
public:
    explicit frame_mapper(stream_traits traits = {}) : traits_(traits) {}

    // Takes ownership of the frame; its buffers live as long as the picture's owner.
    [[nodiscard]] result<mapped_frame> map(frame_ptr frame);
    // The same without pixels, for a frame whose pixels lie elsewhere in the supported `layout`.
    [[nodiscard]] result<mapped_frame> describe(const AVFrame& frame, AVPixelFormat layout) const;

private:
    [[nodiscard]] result<frame_ptr> convert(const AVFrame& frame, AVPixelFormat target);

    stream_traits traits_;
    scaler_ptr scaler_;  // kept for the next frame of the same kind
};

}  // namespace faceflow::internal::media
