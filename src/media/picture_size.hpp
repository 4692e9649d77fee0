// SPDX-License-Identifier: Apache-2.0
// How large a coded picture says that it is, for those that are too large to be decoded.
#pragma once

#include <cstdint>
#include <optional>

#include "media/orientation.hpp"

namespace faceflow::media {

struct stated_size {
    std::uint64_t width = 0;
    std::uint64_t height = 0;
};

// Of PNG, JPEG, TIFF and BMP. Any bytes will do.
[[nodiscard]] std::optional<stated_size> size_in_header(AVCodecID codec, file_bytes bytes) noexcept;

// Whether a JPEG is coded arithmetically, which libavcodec does not read. Any bytes will do.
[[nodiscard]] bool is_arithmetic_jpeg(file_bytes bytes) noexcept;

// Refuses a size that faceflow does not take, naming the limit; `what` is the subject ("clip.mp4"). errc::unsupported.
[[nodiscard]] result<void> check_size(const std::string& what, std::uint64_t width, std::uint64_t height);

}  // namespace faceflow::media
