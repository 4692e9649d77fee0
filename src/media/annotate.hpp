// SPDX-License-Identifier: Apache-2.0
// Draws faces on a still picture, and encodes it as a file.
#pragma once

#include <opencv2/core.hpp>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

// The result is upright, 8-bit BGR. Pixels without drawing keep their values.
[[nodiscard]] result<cv::Mat> annotate(const image& picture, const frame_faces& faces);

// The upright picture, at most `widest` pixels wide, 8-bit BGR. 8-bit 4:2:0 is scaled plane by plane; only the result is
// converted.
[[nodiscard]] result<cv::Mat> scaled_down(const image& picture, std::int32_t widest);

// The content of a file: JPEG of high quality with full chroma, or PNG. Deterministic: equal pictures give equal bytes.
[[nodiscard]] result<packet_ptr> encode_picture(const cv::Mat& bgr, bool png);

}  // namespace faceflow::internal::media
