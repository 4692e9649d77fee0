// SPDX-License-Identifier: Apache-2.0
#include "media/video_writer.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "media/audio_copy.hpp"
#include "media/canvas.hpp"
#include "media/encoder.hpp"
#include "media/fd_stream.hpp"
#include "media/overlay.hpp"

namespace faceflow::internal::media {

namespace {

struct mp4_closer {
    void operator()(AVFormatContext* context) const noexcept { avformat_free_context(context); }
};
using output_ptr = std::unique_ptr<AVFormatContext, mp4_closer>;

class mp4_writer final : public video_writer {
public:
    explicit mp4_writer(video_writer_options options)
        : options_(std::move(options)),
          start_ns_(std::llround(options_.start_seconds * 1e9)) {}

    result<void> create();
    result<void> write(std::span<const annotated_frame> frames) override;
    std::size_t at_once() const noexcept override {
        constexpr std::int32_t most = 3;  // of a few MB each
        return static_cast<std::size_t>(options_.pool == nullptr ? 1 : std::min(options_.pool->processors(), most));
    }
    const std::string& audio_note() const noexcept override { return audio_note_; }
    result<void> sync() override;
    result<finished_video> finish() override;
    std::optional<std::filesystem::path> keep() override;
    void discard() noexcept override;

private:
    result<void> begin(const host_frame& first);
    std::vector<result<frame_ptr>> draw(std::span<const annotated_frame> frames);
    result<void> append(const host_frame& frame, result<frame_ptr> drawn);
    void add_audio();
    result<void> encode(AVFrame* frame, std::int64_t pts_ns);
    int hold(AVPacket& packet);
    int write_held(std::int64_t next_dts);
    tl::unexpected<error> failure(int code);
    std::string note_of_gaps() const;

    video_writer_options options_;
    std::int64_t start_ns_;
    std::optional<part_file> part_;
    std::unique_ptr<fd_stream> stream_;  // declared before the output, which writes to it until the end
    off_t whole_bytes_ = 0;              // of whole fragments in the file
    output_ptr output_;
    AVStream* video_ = nullptr;
    std::optional<encoder> encoder_;
    canvas_format format_;
    std::vector<canvas_maker> canvases_;  // one for each frame that is drawn at once
    std::unique_ptr<audio_copy> audio_;
    std::string audio_note_;
    std::optional<std::int64_t> last_pts_ns_;
    std::int64_t clock_ns_ = 0;  // of that frame
    audio_copy::time_in_video shown_at_ = [this](std::int64_t ns) { return encoder_->shown_at(ns); };
    packet_ptr held_{av_packet_alloc()};  // a picture's packet, held until its duration is known
    bool holds_ = false;
    std::uint64_t pictures_ = 0;   // written
    bool all_is_written_ = false;  // the file is complete, whatever its name
    std::optional<error> failed_;
};

// Later failures would only hide the first one.
tl::unexpected<error> mp4_writer::failure(int code) {
    failed_ = error{code == AVERROR(ENOMEM) ? errc::out_of_memory : errc::io,
                    "writing " + options_.path.string() + " failed: " + libav_message(code) +
                        (code == AVERROR(ENOSPC) ? "; make room on that disk, or write elsewhere" : "")};
    return tl::unexpected(*failed_);
}

result<void> mp4_writer::create() {
    prepare_libav();
    if (!options_.path.has_filename()) return fail(errc::invalid_argument, "the video to write has no file name");
    // Check first: a folder without write access should fail before the first frame is computed.
    if (options_.token.empty()) options_.token = make_part_token();
    FACEFLOW_ASSIGN(auto part, part_file::create(options_.path, options_.token));
    part_.emplace(std::move(part));
    AVFormatContext* raw = nullptr;
    if (avformat_alloc_output_context2(&raw, nullptr, "mp4", nullptr) < 0) {
        return fail(errc::unavailable, "this FFmpeg cannot write MP4: install one that does");
    }
    output_.reset(raw);
    stream_ = fd_stream::open(part_->descriptor(), fd_access::write);
    if (!stream_) return fail(errc::out_of_memory, "no memory to write " + options_.path.string());
    raw->pb = stream_->context();
    raw->flags |= AVFMT_FLAG_CUSTOM_IO;
    return {};
}

void mp4_writer::add_audio() {
    if (options_.audio_from.empty()) return;
    auto opened = audio_copy::open(options_.audio_from, start_ns_);
    const result<void> added = opened ? (*opened)->add_to(*output_) : tl::unexpected(opened.error());
    if (added) {
        audio_ = std::move(*opened);
    } else {
        audio_note_ = added.error().message;
    }
}

result<void> mp4_writer::begin(const host_frame& first) {
    format_ = canvas_format_of(first.picture);
    FACEFLOW_ASSIGN(auto made, encoder::open(format_, options_.frames_per_second, options_.threads));
    encoder_.emplace(std::move(made));
    video_ = avformat_new_stream(output_.get(), nullptr);
    if (!video_ || avcodec_parameters_from_context(video_->codecpar, &encoder_->context()) < 0) {
        return fail(errc::out_of_memory, "no memory for the video stream");
    }
    video_->time_base = encoder_->context().time_base;
    video_->avg_frame_rate = encoder_->context().framerate;
    add_audio();
    // One-second fragments keep the file readable wherever writing stops. The header waits for the first packets, which
    // supply facts about the sound.
    dictionary settings;
    settings.set("movflags", "+delay_moov+default_base_moof");
    settings.set("frag_duration", "1000000");
    if (const int code = avformat_write_header(output_.get(), settings.out()); code < 0) return failure(code);
    if (audio_) audio_->begin(first.clock_ns);
    if (const int code = audio_ ? audio_->copy_first(shown_at_, *output_) : 0; code < 0) return failure(code);
    return {};
}

// Holds each packet until the next one comes: a fragment states its last packet's duration, which the encoder does not
// know.
int mp4_writer::hold(AVPacket& packet) {
    packet.stream_index = video_->index;
    av_packet_rescale_ts(&packet, encoder_->context().time_base, video_->time_base);
    const int code = write_held(packet.dts);
    av_packet_move_ref(held_.get(), &packet);
    holds_ = true;
    return code;
}

// In decoding order within each stream, which is all that MP4 requires: no stream waits for the other's packets.
int mp4_writer::write_held(std::int64_t next_dts) {
    if (!std::exchange(holds_, false)) return 0;
    if (next_dts > held_->dts) held_->duration = next_dts - held_->dts;
    int code = av_write_frame(output_.get(), held_.get());
    av_packet_unref(held_.get());
    if (code >= 0) code = stream_->flush();
    if (code < 0) return code;
    ++pictures_;
    struct stat about {};
    if (::fstat(part_->descriptor(), &about) == 0) whole_bytes_ = about.st_size;
    return 0;
}

result<void> mp4_writer::encode(AVFrame* frame, std::int64_t pts_ns) {
    int code = encoder_->encode(frame, pts_ns, [this](AVPacket& packet) { return hold(packet); });
    if (code >= 0 && frame == nullptr) code = write_held(AV_NOPTS_VALUE);
    return code < 0 ? result<void>(failure(code)) : result<void>();
}

result<void> mp4_writer::write(std::span<const annotated_frame> frames) {
    if (failed_) return tl::unexpected(*failed_);
    if (!output_) return fail(errc::invalid_argument, options_.path.string() + " is already finished");
    if (frames.empty()) return {};
    if (!encoder_) {
        start_ns_ = std::min(start_ns_, frames.front().frame.pts_ns);  // times in the file cannot be negative
        if (auto begun = begin(frames.front().frame); !begun) {
            failed_ = begun.error();
            return begun;
        }
    }
    auto drawn = draw(frames);
    for (std::size_t i = 0; i < frames.size(); ++i)
        FACEFLOW_TRY(append(frames[i].frame, std::move(drawn[i])));
    return {};
}

std::vector<result<frame_ptr>> mp4_writer::draw(std::span<const annotated_frame> frames) {
    while (canvases_.size() < frames.size())
        canvases_.emplace_back(format_);
    std::vector<result<frame_ptr>> drawn(frames.size());
    const auto draw_one = [&](std::int32_t number) {
        const auto i = static_cast<std::size_t>(number);
        drawn[i] = caught_result("drawing a frame", [&]() -> result<frame_ptr> {
            FACEFLOW_ASSIGN(auto canvas, canvases_[i].make(frames[i].frame.picture));
            yuv_planes planes = canvases_[i].planes_of(*canvas);
            draw_faces_on(planes, frames[i].faces);
            return canvas;
        });
    };
    const auto count = static_cast<std::int32_t>(frames.size());
    // A single frame takes no processor from a live frame that asks the pool for all of them.
    if (options_.pool != nullptr && count > 1) {
        options_.pool->for_each(count, draw_one);
    } else {
        for (std::int32_t i = 0; i < count; ++i)
            draw_one(i);
    }
    return drawn;
}

result<void> mp4_writer::append(const host_frame& frame, result<frame_ptr> drawn) {
    if (last_pts_ns_ && frame.pts_ns <= *last_pts_ns_) {
        return fail(errc::invalid_argument, "frames must be written in ascending order of time");
    }
    if (!drawn) return tl::unexpected(std::move(drawn.error()));
    last_pts_ns_ = frame.pts_ns;
    clock_ns_ = frame.clock_ns;
    FACEFLOW_TRY(encode(drawn->get(), frame.pts_ns - start_ns_));
    const int code = audio_ ? audio_->copy_until(frame.pts_ns, clock_ns_, shown_at_, *output_) : 0;
    if (code < 0) return failure(code);
    return {};
}

result<void> mp4_writer::sync() {
    const int code = sync_to_disk(part_->descriptor());
    return code == 0 ? result<void>() : fail(errc::io, explain_io("write to the disk", options_.path, code));
}

result<finished_video> mp4_writer::finish() {
    if (failed_) return tl::unexpected(*failed_);
    if (!output_) return fail(errc::invalid_argument, options_.path.string() + " is already finished");
    if (!encoder_) {
        return fail(errc::invalid_argument, options_.path.string() + " was not written: there was no frame for it");
    }
    FACEFLOW_TRY(encode(nullptr, 0));
    const double rate = av_q2d(encoder_->context().framerate);
    const std::int64_t end_ns = last_pts_ns_.value_or(0) + std::llround(1e9 / rate);
    if (const int code = audio_ ? audio_->copy_until(end_ns, clock_ns_, shown_at_, *output_) : 0; code < 0)
        return failure(code);
    if (const int code = av_write_trailer(output_.get()); code < 0) return failure(code);
    if (const int code = stream_->flush(); code < 0) return failure(code);
    output_.reset();
    stream_.reset();
    all_is_written_ = true;
    auto whole = make_whole(*part_, options_.token, pictures_);
    auto path = whole ? part_->settle() : result<std::filesystem::path>(tl::unexpected(whole.error()));
    if (!path) {
        failed_ = path.error();
        return tl::unexpected(*failed_);
    }
    return finished_video{std::move(*path), whole->note.empty() ? note_of_gaps() : std::move(whole->note)};
}

std::string mp4_writer::note_of_gaps() const {
    const std::size_t gaps = encoder_->shortened_gaps();
    if (gaps == 0) return {};
    return options_.path.string() + " shows " + std::to_string(gaps) + (gaps == 1 ? " gap" : " gaps") +
           " of more than ten minutes between frames as ten minutes; the rows have the true times";
}

std::optional<std::filesystem::path> mp4_writer::keep() {
    output_.reset();
    stream_.reset();
    if (!part_ || part_->descriptor() < 0) return std::nullopt;
    if (all_is_written_) return part_->keep();
    [[maybe_unused]] const int cut = ::ftruncate(part_->descriptor(), whole_bytes_);
    if (whole_bytes_ > 0) return part_->keep();
    part_->discard();
    return std::nullopt;
}

void mp4_writer::discard() noexcept {
    output_.reset();
    stream_.reset();
    if (part_) part_->discard();
}

}  // namespace

result<std::unique_ptr<video_writer>> video_writer::create(video_writer_options options) {
    auto made = std::make_unique<mp4_writer>(std::move(options));
    if (auto created = made->create(); !created) {
        made->discard();
        return tl::unexpected(created.error());
    }
    return made;
}

}  // namespace faceflow::internal::media
