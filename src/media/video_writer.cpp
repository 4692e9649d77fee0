#include "media/video_writer.hpp"

#include <unistd.h>

#include <cmath>
#include <optional>
#include <system_error>

#include "media/audio_copy.hpp"
#include "media/canvas.hpp"
#include "media/encoder.hpp"
#include "media/overlay.hpp"

namespace faceflow::media {

namespace {

struct output_closer {
    void operator()(AVFormatContext* context) const noexcept {
        avio_closep(&context->pb);
        avformat_free_context(context);
    }
};
using output_ptr = std::unique_ptr<AVFormatContext, output_closer>;

class mp4_writer final : public video_writer {
public:
    explicit mp4_writer(video_writer_options options)
        : options_(std::move(options)),
          start_ns_(std::llround(options_.start_seconds * 1e9)) {
        const std::filesystem::path& path = options_.path;
        part_ = path.parent_path() / ("." + path.filename().string() + "." + std::to_string(getpid()) + ".part");
    }
    ~mp4_writer() override {
        output_.reset();
        std::error_code ignored;
        if (created_) std::filesystem::remove(part_, ignored);
    }

    result<void> create();
    result<void> write(const host_frame& frame, const frame_faces& faces) override;
    const std::string& audio_note() const noexcept override { return audio_note_; }
    result<void> finish() override;

private:
    result<void> begin(const image& first);
    void add_audio();
    result<void> encode(AVFrame* frame, std::int64_t pts_ns);
    tl::unexpected<error> failure(int code);

    video_writer_options options_;
    std::int64_t start_ns_;
    std::filesystem::path part_;
    bool created_ = false;
    output_ptr output_;
    AVStream* video_ = nullptr;
    std::optional<encoder> encoder_;
    std::optional<canvas_maker> canvases_;
    std::unique_ptr<audio_copy> audio_;
    std::string audio_note_;
    std::int64_t last_pts_ns_ = 0;
    std::optional<error> failed_;
};

// Everything after the first failure would only bury it.
tl::unexpected<error> mp4_writer::failure(int code) {
    failed_ = error{code == AVERROR(ENOMEM) ? errc::out_of_memory : errc::io,
                    "writing " + options_.path.string() + " failed: " + libav_message(code) +
                        (code == AVERROR(ENOSPC) ? "; make room on that disk, or write elsewhere" : "")};
    return tl::unexpected(*failed_);
}

result<void> mp4_writer::create() {
    prepare_libav();
    if (!options_.path.has_filename()) return fail(errc::invalid_argument, "the video to write has no file name");
    AVFormatContext* raw = nullptr;
    if (avformat_alloc_output_context2(&raw, nullptr, "mp4", nullptr) < 0) {
        return fail(errc::unavailable, "this FFmpeg cannot write MP4: install one that does");
    }
    output_.reset(raw);
    // Opened at once: a folder that may not be written to should fail before the first frame is computed. The name
    // is kept as the URL, for moving the index to the front reads the file again.
    const std::string address = "file:" + part_.string();
    raw->url = av_strdup(address.c_str());
    if (const int code = avio_open(&raw->pb, address.c_str(), AVIO_FLAG_WRITE); code < 0) {
        return fail(errc::io, "cannot create " + options_.path.string() + ": " + libav_message(code) +
                                  "; check that its folder exists and may be written to");
    }
    created_ = true;
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

result<void> mp4_writer::begin(const image& first) {
    canvases_.emplace(canvas_format_of(first));
    auto made = encoder::open(canvases_->format(), options_.frames_per_second, options_.threads);
    if (!made) return tl::unexpected(made.error());
    encoder_.emplace(std::move(*made));
    video_ = avformat_new_stream(output_.get(), nullptr);
    if (!video_ || avcodec_parameters_from_context(video_->codecpar, &encoder_->context()) < 0) {
        return fail(errc::out_of_memory, "no memory for the video stream");
    }
    video_->time_base = encoder_->context().time_base;
    video_->avg_frame_rate = encoder_->context().framerate;
    add_audio();
    dictionary settings;
    settings.set("movflags", "+faststart");  // plays in a browser before all of it is there
    if (const int code = avformat_write_header(output_.get(), settings.out()); code < 0) return failure(code);
    return {};
}

result<void> mp4_writer::encode(AVFrame* frame, std::int64_t pts_ns) {
    const int code = encoder_->encode(frame, pts_ns, [this](AVPacket& packet) {
        packet.stream_index = video_->index;
        av_packet_rescale_ts(&packet, encoder_->context().time_base, video_->time_base);
        return av_interleaved_write_frame(output_.get(), &packet);
    });
    if (code < 0) return failure(code);
    // A full disk shows in the buffered writing behind libav's back.
    if (output_->pb->error < 0) return failure(output_->pb->error);
    return {};
}

result<void> mp4_writer::write(const host_frame& frame, const frame_faces& faces) {
    if (failed_) return tl::unexpected(*failed_);
    if (!output_) return fail(errc::invalid_argument, options_.path.string() + " is already finished");
    if (encoder_ && frame.pts_ns <= last_pts_ns_) {
        return fail(errc::invalid_argument, "frames must be written in ascending order of time");
    }
    if (!canvases_) {
        start_ns_ = std::min(start_ns_, frame.pts_ns);  // times in the file cannot be negative
        if (auto begun = begin(frame.picture); !begun) {
            failed_ = begun.error();
            return begun;
        }
    }
    auto canvas = canvases_->make(frame.picture);
    if (!canvas) return tl::unexpected(canvas.error());
    yuv_planes planes = canvases_->planes_of(**canvas);
    // Odd pictures have a line that belongs to no face's frame: scales of one then stay one.
    const auto scale = [](int to, int from) {
        return from <= 0 || to - from == (from & 1) ? 1.0F : static_cast<float>(to) / static_cast<float>(from);
    };
    draw_faces(planes, faces.faces, scale(planes.y.cols, faces.width), scale(planes.y.rows, faces.height));
    last_pts_ns_ = frame.pts_ns;
    if (auto encoded = encode(canvas->get(), frame.pts_ns - start_ns_); !encoded) return encoded;
    const int code = audio_ ? audio_->copy_until(frame.pts_ns, *output_) : 0;
    if (code < 0) return failure(code);
    return {};
}

result<void> mp4_writer::finish() {
    if (failed_) return tl::unexpected(*failed_);
    if (!output_) return {};
    if (!encoder_) {
        return fail(errc::invalid_argument, options_.path.string() + " was not written: there was no frame for it");
    }
    if (auto flushed = encode(nullptr, 0); !flushed) return flushed;
    const double rate = av_q2d(encoder_->context().framerate);
    const std::int64_t end_ns = last_pts_ns_ + std::llround(1e9 / rate);
    if (const int code = audio_ ? audio_->copy_until(end_ns, *output_) : 0; code < 0) return failure(code);
    if (const int code = av_write_trailer(output_.get()); code < 0) return failure(code);
    if (const int code = output_->pb->error; code < 0) return failure(code);
    if (const int code = avio_closep(&output_->pb); code < 0) return failure(code);
    output_.reset();
    std::error_code code;
    std::filesystem::rename(part_, options_.path, code);
    if (code) {
        failed_ = error{errc::io, "cannot rename to " + options_.path.string() + ": " + code.message()};
        return tl::unexpected(*failed_);
    }
    created_ = false;
    return {};
}

}  // namespace

result<std::unique_ptr<video_writer>> video_writer::create(video_writer_options options) {
    auto made = std::make_unique<mp4_writer>(std::move(options));
    if (auto created = made->create(); !created) return tl::unexpected(created.error());
    return made;
}

}  // namespace faceflow::media
