// SPDX-License-Identifier: Apache-2.0
// Packets in, frames out: libavcodec's two queues behind one call.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "media/ffmpeg.hpp"
#include "media/hardware.hpp"

namespace faceflow::media {

// Frames carry the turn of the picture as side data or metadata also where libavcodec leaves it in the packet (see
// media/orientation.hpp).

// Where packets come from; 0, or a libav error number. AVERROR_EOF ends the stream.
using packet_source = std::function<int(AVPacket&)>;

class decoder {
public:
    // `threads` 0: FFmpeg decides. `low_delay` gives up frame-parallel decoding, which holds one frame per thread back. `hw`, where
    // given, decodes what it can; it outlives the decoder.
    [[nodiscard]] static result<decoder> open(const AVCodecParameters& parameters, AVRational time_base, int threads,
                                              bool low_delay, const hardware* hw = nullptr);

    // The next frame; null when the stream is over, that is when `packets` gave an error (see `ended_with`) and
    // everything before it came out.
    [[nodiscard]] result<frame_ptr> next(const packet_source& packets);

    // The error number that ended the stream; AVERROR_EOF at its regular end.
    [[nodiscard]] int ended_with() const noexcept { return ended_with_; }
    // The error number that the last packet which did not decode failed with, or 0.
    [[nodiscard]] int last_failure() const noexcept { return last_failure_; }
    // Packets that did not decode, since the last call.
    [[nodiscard]] std::uint64_t take_corrupt() noexcept { return std::exchange(corrupt_, 0); }

    // Forgets what is queued, after a seek.
    void flush() noexcept;

    // Decodes a packet that can be begun with and forgets it: a GPU's decoder is made with the first one.
    [[nodiscard]] result<void> warm_up(const AVPacket& first);

    // From the next packet on that can be begun with (media/entry_packet.hpp), the codec of `other` decodes, once what is queued in
    // this one's has come out.
    void hand_over(decoder other);

    // What decodes now, where that is a device; the frame that next() gave last was decoded by it.
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
    codec_ptr next_codec_;  // that takes over
    const hardware* next_on_ = nullptr;
    bool going_over_ = false;  // `packet_` is the first of the other codec
    packet_ptr packet_;
    int ended_with_ = 0;
    int last_failure_ = 0;
    std::uint64_t corrupt_ = 0;
};

}  // namespace faceflow::media
