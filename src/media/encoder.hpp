// SPDX-License-Identifier: Apache-2.0
// The video encoder of annotated.mp4.
#pragma once

#include <functional>
#include <vector>

#include "media/canvas.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

class encoder {
public:
    // Opens libx264, or MPEG-4 if FFmpeg was built without it.
    [[nodiscard]] static result<encoder> open(const canvas_format& format, double frames_per_second, int threads);

    // Sends a frame (null: flush) and passes every finished packet to `sink`; a negative number from it ends encoding.
    // `pts_ns` must ascend from 0; a gap too long for MP4 is shortened to ten minutes (20 days below one frame per
    // second). Returns a libav error number, or 0.
    [[nodiscard]] int encode(AVFrame* frame, std::int64_t pts_ns, const std::function<int(AVPacket&)>& sink);

    // The time in the video at which `pts_ns`, no later than the last frame's, is shown: earlier by the shortened gaps.
    [[nodiscard]] std::int64_t shown_at(std::int64_t pts_ns) const noexcept;
    [[nodiscard]] std::size_t shortened_gaps() const noexcept { return cuts_.size(); }

    [[nodiscard]] const AVCodecContext& context() const noexcept { return *codec_; }

private:
    encoder() = default;

    struct gap_cut {
        std::int64_t from_ns;  // the frame after the gap
        std::int64_t cut_ns;   // total cut from there on
    };
    [[nodiscard]] std::int64_t in_video(std::int64_t pts_ns);
    [[nodiscard]] std::int64_t cut() const noexcept { return cuts_.empty() ? 0 : cuts_.back().cut_ns; }

    codec_ptr codec_;
    std::int64_t longest_gap_ns_ = 0;
    std::int64_t last_ns_ = 0;
    std::vector<gap_cut> cuts_;
    packet_ptr packet_;
    std::int64_t last_pts_ = AV_NOPTS_VALUE;
    std::int64_t nominal_ = 0;  // a frame's duration, in the encoder's time base
};

}  // namespace faceflow::internal::media
