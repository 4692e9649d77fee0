// SPDX-License-Identifier: Apache-2.0
// A picture as 8-bit BGR, the way cameras are read in OpenCV programs.
#pragma once

#include <memory>
#include <span>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::media {

// One thread at a time; remembers how the last size was converted.
class bgr_converter {
public:
    // What convert makes of `picture`: bgr24 of the same size, turn and shape; planes null.
    [[nodiscard]] static image target_of(const image& picture) noexcept;
    // Writes it without padding: 3 * width * height bytes. errc::unsupported for a format that swscale does not read.
    [[nodiscard]] result<void> convert(const image& picture, std::span<std::byte> into);

private:
    scaler_ptr scaler_;
};

}  // namespace faceflow::media
