// SPDX-License-Identifier: Apache-2.0
// The facts that an opened video stream states about itself.
#pragma once

#include <cstdint>
#include <optional>

#include "media/demuxer.hpp"
#include "media/pixel_format.hpp"

namespace faceflow::internal::media {

inline constexpr AVRational nanoseconds_base{1, 1'000'000'000};

// Clamped to some 290 years, which is what 64 bits hold.
[[nodiscard]] std::int64_t seconds_to_ns(double seconds) noexcept;

[[nodiscard]] source_info describe(const demuxer& opened, const std::string& input, source_kind kind,
                                   const source_options& options);

[[nodiscard]] stream_traits traits_of(const AVStream& video);

// 0 if unknown.
[[nodiscard]] double frame_rate_of(const AVStream& video) noexcept;

// Seconds from the stream's start to its stated end; nullopt if the container states none (an estimate from the bit
// rate does not count).
[[nodiscard]] std::optional<double> stated_length(const AVFormatContext& format, const AVStream& video);

}  // namespace faceflow::internal::media
