// SPDX-License-Identifier: Apache-2.0
// Determines when each decoded frame of an input is shown.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "media/demuxer.hpp"
#include "media/packet_window.hpp"
#include "media/timeline.hpp"

namespace faceflow::internal::media {

class frame_times {
public:
    // `read` reads the next packet of the stream, blocking.
    explicit frame_times(packet_window::reader read)
        : source_(std::move(read)),
          read_([this](AVPacket& packet) { return this->read(packet); }) {}
    frame_times(const frame_times&) = delete;

    // Attaches an input that was opened or reopened; it outlives its use here.
    void attach(const demuxer& opened);
    // After a seek: as far as known, times are those of a reading from the start.
    void seeked();
    // After a loss: the next frame comes `elapsed` after the last one.
    void restart(std::chrono::nanoseconds elapsed) noexcept;

    // The next packet for the decoder.
    [[nodiscard]] int next_packet(AVPacket& packet) { return window_.next(packet, read_); }

    // The time that a decoded frame states, in nanoseconds; nullopt: none.
    [[nodiscard]] std::optional<std::int64_t> stated(const AVFrame& frame);
    // The time in the source of a frame that states `raw_ns`. `silence`: time since the last frame came.
    [[nodiscard]] std::int64_t place(std::optional<std::int64_t> raw_ns, std::chrono::nanoseconds silence);
    // Nanoseconds from the stream's start to a frame's `pts`, by the container alone.
    [[nodiscard]] std::int64_t from_start(std::int64_t pts) const noexcept;

    [[nodiscard]] const timeline& line() const noexcept { return timeline_; }

private:
    [[nodiscard]] timeline make_line() const;
    [[nodiscard]] std::vector<std::int64_t> coming();
    [[nodiscard]] int read(AVPacket& packet);

    packet_window::reader source_, read_;  // read_ also inspects each packet
    packet_window window_;
    timeline timeline_{0};
    const AVStream* video_ = nullptr;
    bool live_ = false;
    std::size_t packets_ahead_ = 0;  // how many packets to read ahead when a time looks wrong
    bool clock_may_be_set_ = false;  // the container allows it
    bool states_pts_ = false;
    bool in_decoding_order_ = false;  // so far, the container's decoding times equal its display times
    bool trusts_next_ = false;        // after a seek, frames may come that were not decoded before
};

}  // namespace faceflow::internal::media
