// SPDX-License-Identifier: Apache-2.0
// Packets in, frames out: wraps libavcodec's two queues in one call.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "media/ffmpeg.hpp"
#include "media/hardware.hpp"

namespace faceflow::internal::media {

// Frames carry the picture's turn as side data or metadata even if libavcodec leaves it in the packet (see
// media/orientation.hpp).

// Supplies packets; returns 0 or a libav error number. AVERROR_EOF ends the stream.
using packet_source = std::function<int(AVPacket&)>;

struct decoder_options {
    int threads = 0;         // 0: FFmpeg decides
    bool low_delay = false;  // no frame-parallel decoding, which delays one frame per thread
    // FFmpeg's threads yield the processors to the program's others: for recordings, whose frames are decoded ahead
    bool gives_way = false;
};

class decoder {
public:
    // `hw`, if given, decodes what it can; it outlives the decoder.
    [[nodiscard]] static result<decoder> open(const AVCodecParameters& parameters, AVRational time_base,
                                              const decoder_options& options, const hardware* hw = nullptr);

    // The next frame; null at the end of the stream, that is when `packets` has returned an error (see `ended_with`)
    // and all earlier frames have come out.
    [[nodiscard]] result<frame_ptr> next(const packet_source& packets);

    // The error number that ended the stream; AVERROR_EOF at its regular end.
    [[nodiscard]] int ended_with() const noexcept { return ended_with_; }
    // The error number of the last packet that could not be decoded, or 0.
    [[nodiscard]] int last_failure() const noexcept { return last_failure_; }
    // The number of packets that could not be decoded since the last call.
    [[nodiscard]] std::uint64_t take_corrupt() noexcept { return std::exchange(corrupt_, 0); }

    // Discards queued packets and frames, after a seek.
    void flush() noexcept;

    // Decodes an entry packet and discards its frame: a GPU's decoder is created with the first packet.
    [[nodiscard]] result<void> warm_up(const AVPacket& first);

    // From the next entry packet on (media/entry_packet.hpp), the codec of `other` decodes, after all frames queued in
    // this codec have come out.
    void hand_over(decoder other);

    // The device decoder in use, or null; the last frame from next() was decoded by it.
    [[nodiscard]] const hardware* on() const noexcept { return on_; }

private:
    decoder() = default;
    [[nodiscard]] result<void> feed(const packet_source& packets);
    [[nodiscard]] result<void> send();
    void state_turn() noexcept;
    [[nodiscard]] bool can_go_over() const noexcept;
    [[nodiscard]] result<void> go_over();

    codec_ptr codec_;
    const hardware* on_ = nullptr;
    codec_ptr next_codec_;  // takes over at the next entry packet
    const hardware* next_on_ = nullptr;
    bool going_over_ = false;  // `packet_` is the first for the next codec
    packet_ptr packet_;
    int ended_with_ = 0;
    int last_failure_ = 0;
    std::uint64_t corrupt_ = 0;
};

}  // namespace faceflow::internal::media
