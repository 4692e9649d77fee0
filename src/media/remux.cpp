// SPDX-License-Identifier: Apache-2.0
#include "media/remux.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "core/try.hpp"
#include "media/fd_stream.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

namespace {

struct output_context_closer {
    void operator()(AVFormatContext* context) const noexcept { avformat_free_context(context); }
};
using output_context = std::unique_ptr<AVFormatContext, output_context_closer>;

tl::unexpected<error> unwritable(const std::filesystem::path& name, int code) {
    return fail(code == AVERROR(ENOMEM) ? errc::out_of_memory : errc::io,
                "an ordinary MP4 of " + name.string() + " could not be written: " + libav_message(code));
}

// The end of the last MP4 box that is complete or contains media data: whole samples of the latter are usable, while
// half an index makes the whole file unreadable. ISO/IEC 14496-12, 4.2.
std::int64_t readable_bytes(int descriptor) {
    struct stat about {};
    if (::fstat(descriptor, &about) != 0) return 0;
    std::int64_t at = 0;
    for (std::array<std::uint8_t, 16> head{};;) {
        const ssize_t got = ::pread(descriptor, head.data(), head.size(), at);
        if (got < 8) return at;
        std::uint64_t bytes = AV_RB32(head.data());
        if (bytes == 1 && got == 16) bytes = AV_RB64(head.data() + 8);
        const bool samples = std::string_view(reinterpret_cast<const char*>(head.data()) + 4, 4) == "mdat";
        if (bytes < 8 || bytes > static_cast<std::uint64_t>(about.st_size - at)) return samples ? about.st_size : at;
        at += static_cast<std::int64_t>(bytes);
    }
}

class remuxer {
public:
    remuxer(int from, int to, const std::filesystem::path& name)
        : from_(fd_stream::open(from, fd_access::read, readable_bytes(from))),
          to_(fd_stream::open(to, fd_access::write)),
          to_descriptor_(to),
          name_(name) {}

    result<std::uint64_t> run() {
        FACEFLOW_TRY(open_input());
        FACEFLOW_TRY(open_output());
        if (const int code = copy(); code < 0) return unwritable(name_, code);
        if (pictures_ == 0) return tl::unexpected(nothing_reads().error());
        if (const int code = av_write_trailer(output_.get()); code < 0) return unwritable(name_, code);
        if (again_) moving_failed_ = again_->failure();
        if (moving_failed_ < 0) return unwritable(name_, moving_failed_);
        if (const int code = to_->flush(); code < 0) return unwritable(name_, code);
        return pictures_;
    }

private:
    result<void> open_input() {
        AVFormatContext* raw = avformat_alloc_context();
        packet_.reset(av_packet_alloc());
        if (!raw || !packet_ || !from_ || !to_) {
            avformat_free_context(raw);
            return fail(errc::out_of_memory, "no memory to finish " + name_.string());
        }
        raw->pb = from_->context();
        raw->flags |= AVFMT_FLAG_CUSTOM_IO;
        dictionary settings;
        settings.set("protocol_whitelist", "data");  // it must not open other files, whoever wrote it
        const int code = avformat_open_input(&raw, "", av_find_input_format("mov"), settings.out());
        input_.reset(raw);
        if (from_->failure() < 0) return unwritable(name_, from_->failure());
        return code < 0 ? nothing_reads() : result<void>();
    }

    result<void> nothing_reads() const {
        return fail(errc::corrupt, "no picture of " + name_.string() + " can be read");
    }

    result<void> open_output() {
        AVFormatContext* raw = nullptr;
        if (avformat_alloc_output_context2(&raw, nullptr, "mp4", nullptr) < 0)
            return fail(errc::unavailable, "this FFmpeg cannot write MP4: install one that does");
        output_.reset(raw);
        raw->pb = to_->context();
        raw->flags |= AVFMT_FLAG_CUSTOM_IO;
        // Moving the index to the front reopens the file: use the existing descriptor, not a name.
        raw->opaque = this;
        raw->io_open = &remuxer::open_again;
        raw->io_close2 = &remuxer::close_again;
        for (unsigned i = 0; i < input_->nb_streams; ++i) {
            const AVStream& source = *input_->streams[i];
            if (source.codecpar->codec_id == AV_CODEC_ID_NONE) return nothing_reads();
            AVStream* made = avformat_new_stream(raw, nullptr);
            if (!made || avcodec_parameters_copy(made->codecpar, source.codecpar) < 0)
                return fail(errc::out_of_memory, "no memory to finish " + name_.string());
            made->codecpar->codec_tag = 0;
            made->time_base = source.time_base;
            made->avg_frame_rate = source.avg_frame_rate;
            made->sample_aspect_ratio = source.sample_aspect_ratio;
        }
        dictionary settings;
        settings.set("movflags", "+faststart");  // plays in a browser before it is fully loaded
        if (const int code = avformat_write_header(raw, settings.out()); code < 0) return unwritable(name_, code);
        return {};
    }

    // Copies up to the first incomplete packet.
    int copy() {
        while (av_read_frame(input_.get(), packet_.get()) >= 0) {
            AVPacket& packet = *packet_;
            if ((packet.flags & AV_PKT_FLAG_CORRUPT) != 0) break;
            const AVStream& source = *input_->streams[packet.stream_index];
            const bool picture = source.codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
            av_packet_rescale_ts(&packet, source.time_base, output_->streams[packet.stream_index]->time_base);
            packet.pos = -1;
            // In the order of the fragments. Entries of a fragment that was cut may be invalid.
            const int code = av_write_frame(output_.get(), &packet);
            av_packet_unref(&packet);
            if (code == AVERROR(EINVAL) || code == AVERROR_INVALIDDATA) break;
            if (code < 0) return code;
            if (to_->context()->error < 0) return to_->context()->error;
            if (picture) ++pictures_;
        }
        return from_->failure();
    }

    static int open_again(AVFormatContext* context, AVIOContext** io, const char*, int flags, AVDictionary**) {
        auto& self = *static_cast<remuxer*>(context->opaque);
        if ((flags & AVIO_FLAG_WRITE) != 0) return AVERROR(EPERM);
        self.again_ = fd_stream::open(self.to_descriptor_, fd_access::read);
        if (!self.again_) return AVERROR(ENOMEM);
        *io = self.again_->context();
        return 0;
    }

    // libav takes a read error for the end of the file.
    static int close_again(AVFormatContext* context, AVIOContext*) {
        auto& self = *static_cast<remuxer*>(context->opaque);
        if (self.again_) self.moving_failed_ = self.again_->failure();
        self.again_.reset();
        return self.moving_failed_;
    }

    std::unique_ptr<fd_stream> from_, to_, again_;
    int to_descriptor_;
    const std::filesystem::path& name_;
    input_ptr input_;
    output_context output_;
    packet_ptr packet_;
    std::uint64_t pictures_ = 0;
    int moving_failed_ = 0;  // the libav error of moving the index
};

}  // namespace

result<std::uint64_t> make_ordinary_mp4(int from, int to, const std::filesystem::path& name) {
    prepare_libav();
    return remuxer(from, to, name).run();
}

std::filesystem::path finishing_target(const std::filesystem::path& target) {
    return target.parent_path() / (target.filename().string() + ".finishing");
}

result<whole_video> make_whole(part_file& part, const std::string& token, std::uint64_t expected) {
    whole_video whole;
    auto second = part_file::create(finishing_target(part.target()), token);
    auto made = second ? make_ordinary_mp4(part.descriptor(), second->descriptor(), part.target())
                       : result<std::uint64_t>(tl::unexpected(second.error()));
    if (made && *made < expected) {
        made = fail(errc::io, "only " + std::to_string(*made) + " of " + std::to_string(expected) + " pictures of " +
                                  part.target().string() + " could be copied");
    }
    if (made) {
        whole.pictures = *made;
        if (auto r = part.become(std::move(*second)); !r) made = tl::unexpected(r.error());
    } else if (second) {
        second->discard();
    }
    if (!made && made.error().code == errc::corrupt && expected == 0) return tl::unexpected(std::move(made.error()));
    if (!made) whole.note = made.error().message + "; it stays in fragments, which players read as well";
    return whole;
}

}  // namespace faceflow::internal::media
