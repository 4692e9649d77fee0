// From libav's frames to ours: layout, colour, rotation. Pixels stay where the decoder put them.
#pragma once

#include <memory>
#include <optional>

#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::media {

// none: faceflow cannot sample this layout in place.
[[nodiscard]] pixel_format to_pixel_format(AVPixelFormat format) noexcept;

// The other way round; AV_PIX_FMT_NONE where this FFmpeg has no name for it.
[[nodiscard]] AVPixelFormat to_libav_format(pixel_format format) noexcept;

// The format that faceflow can sample and that loses least of `format`.
[[nodiscard]] AVPixelFormat nearest_supported(AVPixelFormat format) noexcept;

// From the stored picture to the upright one: turned first, then mirrored left to right.
struct turn_and_flip {
    rotation turn = rotation::none;
    bool flipped = false;
};

// Of a 3x3 display matrix. Angles between quarter turns go to the nearest.
[[nodiscard]] turn_and_flip read_display_matrix(const std::int32_t* matrix) noexcept;

// For sws_getCoefficients.
[[nodiscard]] int libav_matrix(colour_matrix matrix) noexcept;

// What the frames themselves may leave open.
struct stream_traits {
    AVCodecID codec = AV_CODEC_ID_NONE;
    std::optional<turn_and_flip> turn;  // of the container
};

struct mapped_frame {
    image picture;
    std::shared_ptr<const void> owner;
    bool converted = false;
    bool flipped = false;
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
