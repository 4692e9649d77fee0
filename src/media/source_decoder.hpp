// SPDX-License-Identifier: Apache-2.0
// A source's decoder: on the CPU or on its device, and between them where a share of the device says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "media/decoder.hpp"
#include "media/decoder_share.hpp"
#include "media/demuxer.hpp"
#include "media/device_frames.hpp"
#include "media/hardware.hpp"
#include "media/source.hpp"

namespace faceflow::media {

// One thread at a time. The options, and what they name, outlive it.
class source_decoder {
public:
    explicit source_decoder(const source_options& options) : options_(options) {}

    // Begins with a stream, the first or one that was found again, and forgets the one before. Errors of decoder::open; with
    // source_options::only_on_device those of open_hardware.
    [[nodiscard]] result<void> open(const demuxer& from);

    // See decoder.
    [[nodiscard]] result<frame_ptr> next(const packet_source& packets);
    [[nodiscard]] int ended_with() const noexcept { return decoder_ ? decoder_->ended_with() : AVERROR_EOF; }
    [[nodiscard]] std::uint64_t take_corrupt() noexcept { return decoder_->take_corrupt(); }
    void flush() noexcept { decoder_->flush(); }
    // Its frames are over, or lost for now: its place on the device is another's.
    void leave_device() noexcept { member_.reset(); }

    // Whether frames are to stay on a device at all, where that decodes them.
    [[nodiscard]] bool has_device() const noexcept { return hardware_ != nullptr; }
    // How the pixels of the frame that came last lie on the device; AV_PIX_FMT_NONE when they lie in host memory.
    [[nodiscard]] AVPixelFormat layout_on_device(const AVFrame& decoded) const noexcept;
    // Keeps that frame there. A live one is decoded when this returns: if it were handed on before, it would hold up all
    // that a pass takes along with it. errc::out_of_memory: where `decoded` is still there, it may be kept later.
    [[nodiscard]] result<std::shared_ptr<const frame>> keep(frame_ptr& decoded, const image& facts, const frame_id& id);

private:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] result<void> open_device();
    [[nodiscard]] result<decoder> make(const hardware* hw) const;
    void see(const AVPacket& packet);
    void note_parameters(const AVPacket& packet);
    void go_to_device(const AVPacket& entry);
    void go_to_cpu();

    // What a decoder is made with; of the stream that was opened last.
    struct stream_facts {
        std::shared_ptr<const AVCodecParameters> parameters;
        AVRational time_base{};
        bool live = false;
        clock::duration between_frames{};
    };

    const source_options& options_;
    std::shared_ptr<device_frames> frames_;
    std::unique_ptr<hardware> hardware_;  // null: frames stay in host memory
    stream_facts stream_;
    std::optional<decoder> decoder_;
    std::optional<bool> going_to_device_;  // or to the CPU: handed over, and not yet there
    std::uint64_t streams_ = 0, prepared_for_ = 0;
    clock::duration took_{0};                        // the last frame, to decode
    std::unique_ptr<decoder_share::member> member_;  // last: what it prepares uses the above
};

}  // namespace faceflow::media
