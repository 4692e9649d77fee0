// SPDX-License-Identifier: Apache-2.0
// The size that a coded picture states, for those too large to decode.
#pragma once

#include <cstdint>
#include <optional>

#include "media/orientation.hpp"

namespace faceflow::internal::media {

struct stated_size {
    std::uint64_t width = 0;
    std::uint64_t height = 0;
};

// For PNG, JPEG, TIFF and BMP. Safe on any bytes.
[[nodiscard]] std::optional<stated_size> size_in_header(AVCodecID codec, file_bytes bytes) noexcept;

// Whether a JPEG uses arithmetic coding, which libavcodec does not read. Safe on any bytes.
[[nodiscard]] bool is_arithmetic_jpeg(file_bytes bytes) noexcept;

// errc::unsupported for a size that faceflow does not take, naming the limit; `what` is the subject ("clip.mp4").
[[nodiscard]] result<void> check_size(const std::string& what, std::uint64_t width, std::uint64_t height);

}  // namespace faceflow::internal::media
