// SPDX-License-Identifier: Apache-2.0
// The sound of a source, packet by packet as it is, beside the frames that were drawn on.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

    // When in the video something is shown that lies so long after its start.
    using time_in_video = std::function<std::int64_t(std::int64_t)>;

    // Before all copying: the clock (host_frame::clock_ns) of the first frame.
    void begin(std::int64_t clock_ns);

    // Writes the first packet ahead of its time: a header that waits for facts of the sound need not wait for the sound. The same
    // return value.
    [[nodiscard]] int copy_first(const time_in_video& shown_at, AVFormatContext& output);

    // Writes what sounds before `until_ns` (time in the source, like frames' pts_ns), when pictures have that clock. Where joined
    // recordings made the pictures' clock jump, sound follows. Damaged sound ends quietly. Returns a libav error number of the writing,
    // or 0.
    [[nodiscard]] int copy_until(std::int64_t until_ns, std::int64_t clock_ns, const time_in_video& shown_at,
                                 AVFormatContext& output);

private:
    audio_copy() = default;
    [[nodiscard]] result<void> strip_headers(const AVCodecParameters& coded);
    bool read_ahead();
    [[nodiscard]] bool filter_ahead();
    [[nodiscard]] std::optional<std::int64_t> time_of_first(std::int64_t pictures_ns);
    void drop_first();
    [[nodiscard]] int write(const time_in_video& shown_at, AVFormatContext& output);

    io_guard guard_{std::stop_token()};
    std::unique_ptr<fd_io> io_;
    input_ptr input_;
    AVStream* audio_ = nullptr;
    AVStream* target_ = nullptr;
    bitstream_filter_ptr headers_off_;  // null where packets have none
    packet_ptr ahead_;                  // read, not yet due
    bool has_ahead_ = false;
    std::optional<std::int64_t> last_dts_;  // written, in the target's time base
    bool ended_ = false;
    std::vector<std::int64_t> clocks_;         // of the pictures, so far; raw time + clock = time in the source
    std::size_t clock_ = 0;                    // the sound's
    std::optional<std::int64_t> time_ns_;      // of the packet that was read ahead, once it is known
    std::optional<std::int64_t> expected_ns_;  // of the next packet, if it goes on where the last one ended
    std::int64_t origin_ns_ = 0;               // raw time at which the source's pictures begin
    std::int64_t start_ns_ = 0;
};

}  // namespace faceflow::media
