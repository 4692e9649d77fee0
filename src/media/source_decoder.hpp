// SPDX-License-Identifier: Apache-2.0
// A source's decoder: on the CPU or on its device, moving between them as a share of the device decides.
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

namespace faceflow::internal::media {

// Use it from one thread at a time. The options, and what they refer to, outlive it.
class source_decoder {
public:
    explicit source_decoder(const source_options& options) : options_(options) {}

    // Starts with a stream, the first or a reconnected one, and drops the previous one. Errors of decoder::open; with
    // source_options::only_on_device those of open_hardware.
    [[nodiscard]] result<void> open(const demuxer& from);

    // See decoder.
    [[nodiscard]] result<frame_ptr> next(const packet_source& packets);
    [[nodiscard]] int ended_with() const noexcept { return decoder_ ? decoder_->ended_with() : AVERROR_EOF; }
    [[nodiscard]] std::uint64_t take_corrupt() noexcept { return decoder_->take_corrupt(); }
    void flush() noexcept { decoder_->flush(); }
    // Frees its place on the device: its stream has ended, or is lost for now.
    void leave_device() noexcept { member_.reset(); }

    // Whether frames stay on a device if it can decode them.
    [[nodiscard]] bool has_device() const noexcept { return hardware_ != nullptr; }
    // The pixel layout on the device of the last frame; AV_PIX_FMT_NONE if it is in host memory.
    [[nodiscard]] AVPixelFormat layout_on_device(const AVFrame& decoded) const noexcept;
    // Keeps that frame on the device. A live frame has been decoded when this returns: passed on earlier, it would
    // delay every frame in its pass. errc::out_of_memory: while `decoded` is not null, keep can be retried.
    [[nodiscard]] result<std::shared_ptr<const frame>> keep(frame_ptr& decoded, const image& facts, const frame_id& id);

private:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] result<void> open_device();
    [[nodiscard]] result<decoder> make(const hardware* hw) const;
    void see(const AVPacket& packet);
    void note_parameters(const AVPacket& packet);
    void go_to_device(const AVPacket& entry);
    void go_to_cpu();

    // The arguments for creating a decoder for the current stream.
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
    std::optional<bool> going_to_device_;  // false: to the CPU; set from handing over until it has happened
    std::uint64_t streams_ = 0, prepared_for_ = 0;
    clock::duration took_{0};                        // decoding time of the last frame
    std::unique_ptr<decoder_share::member> member_;  // last: what it prepares uses the above
};

}  // namespace faceflow::internal::media
