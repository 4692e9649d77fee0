// SPDX-License-Identifier: Apache-2.0
// Files, cameras, streams and standard input: one container, one decoder, and recovery when either fails.
#pragma once

#include <optional>
#include <utility>

#include "media/address.hpp"
#include "media/counts.hpp"
#include "media/demuxer.hpp"
#include "media/frame_times.hpp"
#include "media/pixel_format.hpp"
#include "media/reconnect.hpp"
#include "media/repeats.hpp"
#include "media/seeking.hpp"
#include "media/source_decoder.hpp"
#include "media/sources.hpp"

namespace faceflow::internal::media {

// Times are written in microseconds: a start given as such must match its frame, although nanoseconds were cut off.
inline constexpr std::int64_t half_a_microsecond = 500;

// The frames of a playlist that were already read; they appear again when it is reopened.
struct seen_frames {
    std::int64_t until_ns = 0;  // raw time
    std::chrono::steady_clock::time_point
        patience;  // until when to skip them: frames of a restarted clock arrive as they are made, not at once
};

class demux_source final : public source {
public:
    demux_source(std::string input, source_kind kind, const source_options& options)
        : input_(std::move(input)),
          kind_(kind),
          options_(options),
          guard_(options.stop) {}

    result<void> open();

    const source_info& info() const noexcept override { return info_; }
    result<std::optional<read_frame>> next() override;
    void interrupt() noexcept override { guard_.interrupt(); }
    std::map<std::string, std::uint64_t> survived() const override { return survived_.get(); }

private:
    using steady = std::chrono::steady_clock;

    [[nodiscard]] std::string name() const {
        return kind_ == source_kind::stdin_stream ? "standard input" : without_secrets(input_);
    }
    result<void> attach(demuxer opened);
    result<void> look_ahead();
    result<void> go_to_start();
    bool seek(double seconds);
    bool seek_further_back();
    bool is_before_entry_point(const AVFrame& frame);
    bool was_seen(std::optional<std::int64_t> raw_ns);
    int read_packet(AVPacket& packet);
    int wait_for_packet(AVPacket& packet);
    result<std::optional<read_frame>> read();
    std::chrono::milliseconds longest_silence() const;
    result<std::optional<read_frame>> finish_frame(frame_ptr frame, std::int64_t pts_ns);
    result<read_frame> keep_on_device(frame_ptr frame, AVPixelFormat layout);
    result<read_frame> keep_in_host_memory(frame_ptr frame);
    std::int64_t place(std::optional<std::int64_t> raw_ns);
    result<void> handle_end();
    bool go_to_next_part();
    void note_truncation();
    result<void> reconnect();
    result<void> take_up_again(demuxer opened);
    void tell(const std::string& what) const;

    std::string input_;
    source_kind kind_;
    source_options options_;
    io_guard guard_;  // declared before the members that hold its callback
    demuxer demuxer_;
    source_decoder decoder_{options_};
    std::optional<frame_mapper> mapper_;
    frame_times times_{[this](AVPacket& packet) { return read_packet(packet); }};
    source_info info_;
    survival_counts survived_;

    std::optional<read_frame> ahead_;  // decoded by open()
    std::optional<error> failed_;
    bool opened_ = false;  // opened completely; before that, no frames are released on the device
    bool ended_ = false;
    bool lost_ = false;  // and not yet recovered
    bool decoded_any_ = false;
    std::vector<entry_point> entry_points_;  // of a file whose clock may be reset; up to the start
    std::optional<double> aimed_at_;         // the target of the last seek, until an entry point was found
    std::optional<seen_frames> seen_;
    repeats repeats_;  // of a live DASH stream
    std::optional<std::int64_t> last_raw_ns_;
    std::int64_t packets_end_ns_ = 0;  // end of the packets read so far
    std::int64_t part_begin_ = 0;      // offset in the file of the recording being read
    std::int64_t last_byte_ = 0;       // of the packets read
    std::uint64_t sequence_ = 0;
    std::optional<backoff> backoff_;  // set from a loss until the next frame
    steady::time_point last_frame_at_ = steady::now();
};

}  // namespace faceflow::internal::media
