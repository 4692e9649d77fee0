// SPDX-License-Identifier: Apache-2.0
// Copies the sound of a source, packet by packet and unchanged, beside the annotated frames.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "media/fd_io.hpp"
#include "media/ffmpeg.hpp"
#include "media/io_guard.hpp"

namespace faceflow::internal::media {

class audio_copy {
public:
    // Opens the file's best audio stream from `start_ns` on. An error says why there is no sound; it need not end a
    // run.
    [[nodiscard]] static result<std::unique_ptr<audio_copy>> open(const std::string& path, std::int64_t start_ns);

    // Adds the stream to an MP4 whose header is not yet written.
    [[nodiscard]] result<void> add_to(AVFormatContext& output);

    // Maps nanoseconds after the video's start to the time at which they are shown in the written video.
    using time_in_video = std::function<std::int64_t(std::int64_t)>;

    // Sets the clock (host_frame::clock_ns) of the first frame; call it before any copying.
    void begin(std::int64_t clock_ns);

    // Writes the first packet early, so that a header that needs facts about the sound need not wait for it. Returns
    // like copy_until.
    [[nodiscard]] int copy_first(const time_in_video& shown_at, AVFormatContext& output);

    // Writes the sound before `until_ns` (time in the source, like frames' pts_ns), at which pictures have the clock
    // `clock_ns`. Where joined recordings made the pictures' clock jump, sound follows. Damaged sound ends silently.
    // Returns a libav error number from writing, or 0.
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
    bitstream_filter_ptr headers_off_;  // null if packets have no headers
    packet_ptr ahead_;                  // read, not yet due
    bool has_ahead_ = false;
    std::optional<std::int64_t> last_dts_;  // written, in the target's time base
    bool ended_ = false;
    std::vector<std::int64_t> clocks_;         // of the pictures so far; raw time + clock = time in the source
    std::size_t clock_ = 0;                    // index of the sound's clock
    std::optional<std::int64_t> time_ns_;      // of the packet read ahead, once known
    std::optional<std::int64_t> expected_ns_;  // of the next packet, if it follows the last one without a gap
    std::int64_t origin_ns_ = 0;               // raw time at which the source's pictures begin
    std::int64_t start_ns_ = 0;
};

}  // namespace faceflow::internal::media
