// SPDX-License-Identifier: Apache-2.0
// When the frames of an MP4 are shown, by the file's own table (`ctts`). libav ignores all of it where one offset takes more than 28 bits,
// as beside a gap of hours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "media/ffmpeg.hpp"

namespace faceflow::media {

class composition {
public:
    // Of the track of this number; nullopt where it has none, or it makes no sense. `io` is left where it was.
    [[nodiscard]] static std::optional<composition> read(AVIOContext& io, int track);

    // From a sample's decoding to its showing, in ticks of the track; samples count from 0 in the order of decoding.
    [[nodiscard]] std::int64_t offset_of(std::size_t sample) const noexcept;

private:
    struct run {
        std::uint64_t end;  // the first sample behind it
        std::int64_t offset;
    };
    std::vector<run> runs_;
};

}  // namespace faceflow::media
