// SPDX-License-Identifier: Apache-2.0
// The video encoder of annotated.mp4.
#pragma once

#include <functional>
#include <vector>

#include "media/canvas.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::media {

class encoder {
public:
    // libx264, or MPEG-4 where FFmpeg was built without it.
    [[nodiscard]] static result<encoder> open(const canvas_format& format, double frames_per_second, int threads);

    // Sends a frame (null: flush) and hands every finished packet on; a negative number from `sink` ends it.
    // `pts_ns` ascends from 0; a gap that MP4 cannot hold lasts ten minutes (20 days at less than a frame a second). Returns a libav
    // error number, or 0.
    [[nodiscard]] int encode(AVFrame* frame, std::int64_t pts_ns, const std::function<int(AVPacket&)>& sink);

    // When in the video a time is shown that lies no later than the last frame's: earlier by the gaps that were shortened.
    [[nodiscard]] std::int64_t shown_at(std::int64_t pts_ns) const noexcept;
    [[nodiscard]] std::size_t shortened_gaps() const noexcept { return cuts_.size(); }

    [[nodiscard]] const AVCodecContext& context() const noexcept { return *codec_; }

private:
    encoder() = default;

    struct gap_cut {
        std::int64_t from_ns;  // the frame after the gap
        std::int64_t cut_ns;   // in all, from there on
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

}  // namespace faceflow::media
