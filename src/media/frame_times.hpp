// SPDX-License-Identifier: Apache-2.0
// When each decoded frame of an input is shown.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "media/demuxer.hpp"
#include "media/packet_window.hpp"
#include "media/timeline.hpp"

namespace faceflow::media {

class frame_times {
public:
    // `read` reads the next packet of the stream, blocking.
    explicit frame_times(packet_window::reader read)
        : source_(std::move(read)),
          read_([this](AVPacket& packet) { return this->read(packet); }) {}
    frame_times(const frame_times&) = delete;

    // An input that was opened, for the first time or anew; it outlives its use here.
    void attach(const demuxer& opened);
    // The input stands elsewhere now; so far as it is known, times are those of a reading from its start.
    void seeked();
    // It was lost; what comes next comes `elapsed` after the last frame.
    void restart(std::chrono::nanoseconds elapsed) noexcept;

    // The next packet for the decoder.
    [[nodiscard]] int next_packet(AVPacket& packet) { return window_.next(packet, read_); }

    // What a frame that came out of the decoder states, in nanoseconds; nullopt: nothing.
    [[nodiscard]] std::optional<std::int64_t> stated(const AVFrame& frame);
    // The time in the source of the frame that states `raw_ns`. `silence`: since the last one came.
    [[nodiscard]] std::int64_t place(std::optional<std::int64_t> raw_ns, std::chrono::nanoseconds silence);
    // Nanoseconds from the stream's start to a frame's `pts`, by the container alone.
    [[nodiscard]] std::int64_t from_start(std::int64_t pts) const noexcept;

    [[nodiscard]] const timeline& line() const noexcept { return timeline_; }

private:
    [[nodiscard]] timeline make_line() const;
    [[nodiscard]] std::vector<std::int64_t> coming();
    [[nodiscard]] int read(AVPacket& packet);

    packet_window::reader source_, read_;  // the second one looks at what it reads
    packet_window window_;
    timeline timeline_{0};
    const AVStream* video_ = nullptr;
    bool live_ = false;
    std::size_t packets_ahead_ = 0;  // that are read where a time looks wrong
    bool clock_may_be_set_ = false;  // the container says so of its kind
    bool states_pts_ = false;
    bool in_decoding_order_ = false;  // so far the container states when packets are decoded as when they are shown
    bool trusts_next_ = false;        // after a seek frames may come that were not decoded before
};

}  // namespace faceflow::media
