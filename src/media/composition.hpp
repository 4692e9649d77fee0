// SPDX-License-Identifier: Apache-2.0
// When the frames of an MP4 are shown, from the file's own table (`ctts`). libav ignores the whole table if one offset
// needs more than 28 bits, as beside a gap of hours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

class composition {
public:
    // The table of the track with this number; nullopt if it has none or an invalid one. Leaves the position of `io`
    // unchanged.
    [[nodiscard]] static std::optional<composition> read(AVIOContext& io, int track);

    // The time from a sample's decoding to its display, in ticks of the track; samples count from 0 in decoding order.
    [[nodiscard]] std::int64_t offset_of(std::size_t sample) const noexcept;

private:
    struct run {
        std::uint64_t end;  // the first sample after the run
        std::int64_t offset;
    };
    std::vector<run> runs_;
};

}  // namespace faceflow::internal::media
