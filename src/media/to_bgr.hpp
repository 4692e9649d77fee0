// SPDX-License-Identifier: Apache-2.0
// Converts a picture to 8-bit BGR, the way OpenCV programs read cameras.
#pragma once

#include <memory>
#include <span>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

// Use it from one thread at a time; caches the conversion of the last size.
class bgr_converter {
public:
    // The result format of convert: bgr24 of the same size, turn and shape; planes null.
    [[nodiscard]] static image target_of(const image& picture) noexcept;
    // Writes the picture without padding: 3 * width * height bytes. errc::unsupported for a format that swscale does
    // not read.
    [[nodiscard]] result<void> convert(const image& picture, std::span<std::byte> into);

private:
    scaler_ptr scaler_;
};

}  // namespace faceflow::internal::media
