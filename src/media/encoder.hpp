// The video encoder of annotated.mp4.
#pragma once

#include <functional>

#include "media/canvas.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::media {

class encoder {
public:
    // libx264, or MPEG-4 where FFmpeg was built without it.
    [[nodiscard]] static result<encoder> open(const canvas_format& format, double frames_per_second, int threads);

    // Sends a frame (null: flush) and hands every finished packet on; a negative number from `sink` ends it.
    // `pts_ns` ascends. Returns a libav error number, or 0.
    [[nodiscard]] int encode(AVFrame* frame, std::int64_t pts_ns, const std::function<int(AVPacket&)>& sink);

    [[nodiscard]] const AVCodecContext& context() const noexcept { return *codec_; }

private:
    encoder() = default;

    codec_ptr codec_;
    packet_ptr packet_;
    std::int64_t last_pts_ = AV_NOPTS_VALUE;
    std::int64_t nominal_ = 0;  // a frame's duration, in the encoder's time base
};

}  // namespace faceflow::media
