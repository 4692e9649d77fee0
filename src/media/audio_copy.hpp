// The sound of a source, packet by packet as it is, beside the frames that were drawn on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "media/fd_io.hpp"
#include "media/ffmpeg.hpp"
#include "media/io_guard.hpp"

namespace faceflow::media {

class audio_copy {
public:
    // The file's best audio stream, from `start_ns` on. An error says why there is no sound; it is not meant to end
    // a run.
    [[nodiscard]] static result<std::unique_ptr<audio_copy>> open(const std::string& path, std::int64_t start_ns);

    // Adds the stream to an MP4 whose header is not yet written.
    [[nodiscard]] result<void> add_to(AVFormatContext& output);

    // Writes the first packet ahead of its time: a header that waits for facts of the sound need not wait for the sound. The same
    // return value.
    [[nodiscard]] int copy_first(AVFormatContext& output);

    // Writes what sounds before `until_ns` (time in the source, like frames' pts_ns). Damaged sound ends quietly.
    // Returns a libav error number of the writing, or 0.
    [[nodiscard]] int copy_until(std::int64_t until_ns, AVFormatContext& output);

private:
    audio_copy() = default;
    bool read_ahead();
    [[nodiscard]] std::int64_t raw_ns(const AVPacket& packet) const;
    [[nodiscard]] int write(AVFormatContext& output);

    io_guard guard_{std::stop_token()};
    std::unique_ptr<fd_io> io_;
    input_ptr input_;
    AVStream* audio_ = nullptr;
    AVStream* target_ = nullptr;
    packet_ptr ahead_;  // read, not yet due
    bool has_ahead_ = false;
    std::optional<std::int64_t> last_dts_;  // written, in the target's time base
    bool ended_ = false;
    std::int64_t origin_ns_ = 0;  // raw time at which the source's pictures begin
    std::int64_t start_ns_ = 0;
};

}  // namespace faceflow::media
