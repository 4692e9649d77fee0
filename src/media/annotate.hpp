// SPDX-License-Identifier: Apache-2.0
// A still picture with its faces drawn on it, and the bytes of the file that it becomes.
#pragma once

#include <opencv2/core.hpp>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::media {

// Upright, 8-bit BGR. Pixels that nothing is drawn on are those of the picture.
[[nodiscard]] result<cv::Mat> annotate(const image& picture, const frame_faces& faces);

// A whole file: JPEG of high quality with full chroma, or PNG. The same picture gives the same bytes.
[[nodiscard]] result<packet_ptr> encode_picture(const cv::Mat& bgr, bool png);

}  // namespace faceflow::media
