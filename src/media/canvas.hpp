// SPDX-License-Identifier: Apache-2.0
// A copy of a frame to draw on, as the encoder needs it: upright, I420, of one even size.
#pragma once

#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"
#include "media/paint.hpp"

namespace faceflow::internal::media {

// The coding of one video's canvases. YUV pictures keep their matrix, range and transfer; RGB becomes BT.709 limited.
struct canvas_format {
    int width = 0;  // even; odd pictures get a copy of their last column or row
    int height = 0;
    colour_matrix matrix = colour_matrix::bt709;
    colour_range range = colour_range::limited;
    colour_transfer transfer = colour_transfer::sdr;
};

// A plane of the picture, or all of its pixels, turned upright; shares the pixels if nothing needs turning.
[[nodiscard]] cv::Mat upright(const cv::Mat& plane, const image& picture);

[[nodiscard]] canvas_format canvas_format_of(const image& picture) noexcept;

class canvas_maker {
public:
    explicit canvas_maker(canvas_format format) : format_(format) {}

    [[nodiscard]] const canvas_format& format() const noexcept { return format_; }

    // A copy of the picture in the canvas format. 8-bit 4:2:0 is copied plane by plane, everything else is converted. A
    // picture of another size is scaled to fill the canvas.
    [[nodiscard]] result<frame_ptr> make(const image& picture);

    // The planes of a canvas, to draw on.
    [[nodiscard]] yuv_planes planes_of(AVFrame& canvas) const;

private:
    [[nodiscard]] result<frame_ptr> allocate(int width, int height) const;
    [[nodiscard]] result<void> convert(const image& picture, AVFrame& to);

    canvas_format format_;
    scaler_ptr scaler_;
};

}  // namespace faceflow::internal::media
