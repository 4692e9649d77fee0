// SPDX-License-Identifier: Apache-2.0
// Reads the packets of an input's video, and knows how far they went and how they ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "media/counts.hpp"
#include "media/demuxer.hpp"
#include "media/repeats.hpp"

namespace faceflow::internal::media {

// Use it from one thread. What it is made with outlives it.
class packet_reader {
public:
    packet_reader(const demuxer_request& from, io_guard& guard, survival_counts& survived)
        : from_(from),
          guard_(guard),
          survived_(survived) {}

    // Reads on from this input, which replaces the one before.
    void attach(demuxer opened);
    // Closes the input; attach one before the next read. What the input was stays known.
    void close() noexcept;
    [[nodiscard]] demuxer& input() noexcept { return demuxer_; }
    [[nodiscard]] const demuxer& input() const noexcept { return demuxer_; }

    // The next packet, blocking. Returns 0, or a libav error number: AVERROR_EXIT if it was interrupted or nothing came
    // within the input's time.
    [[nodiscard]] int read(AVPacket& packet);

    // The rest is for the end: `code` is what read returned.
    // errc::timeout or errc::io if the transport failed, so that there may be more to read.
    [[nodiscard]] result<void> check_transport(int code) const;
    // Whether a recording ended before its stated length.
    [[nodiscard]] bool was_truncated(int code) const;
    // Where, in the file, the next of joined recordings begins: libav's reader stops at the end of the first.
    [[nodiscard]] std::optional<std::int64_t> next_recording();
    // Forgets how far the packets went: the input is read again.
    void start_over() noexcept { end_ns_ = 0; }

private:
    [[nodiscard]] int wait_for_packet(AVPacket& packet);
    [[nodiscard]] std::chrono::milliseconds longest_silence() const;
    void note_position(const AVPacket& packet) noexcept;

    const demuxer_request& from_;
    io_guard& guard_;
    survival_counts& survived_;
    demuxer demuxer_;
    repeats repeats_;             // of a live DASH stream
    std::int64_t end_ns_ = 0;     // end of the packets read so far
    std::int64_t last_byte_ = 0;  // of the packets of this recording
};

}  // namespace faceflow::internal::media
