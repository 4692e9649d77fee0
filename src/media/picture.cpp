// SPDX-License-Identifier: Apache-2.0
#include "media/picture.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/try.hpp"
#include "media/byte_reader.hpp"
#include "media/decoder.hpp"
#include "media/demuxer.hpp"
#include "media/heif.hpp"
#include "media/picture_file.hpp"
#include "media/picture_size.hpp"
#include "media/stream_facts.hpp"
#include "media/tiff_directory.hpp"

namespace faceflow::internal::media {

namespace {

// More than any camera's file; a larger one is no picture, or too large for a single frame.
constexpr off_t max_picture_bytes = off_t{512} << 20;

tl::unexpected<error> unreadable(const std::string& path, const std::string& why) {
    return fail(errc::corrupt, path + " is not a picture that can be read: " + why);
}

bool moves(file_bytes webp) noexcept {
    constexpr std::uint8_t animation = 2;
    return starts_with(webp, "RIFF") && starts_with(part_of(webp, 8, 8), "WEBPVP8X") &&
           (number_at(webp, 20, 1, byte_order::little).value_or(0) & animation) != 0;
}

// Why a picture of a known format could not be decoded.
std::string explain(const picture_file& file, AVCodecID codec, file_bytes bytes, int failure) {
    if (const auto size = size_in_header(codec, bytes)) {
        if (const auto fits = check_size("it", size->width, size->height); !fits) return fits.error().message;
    }
    if (codec == AV_CODEC_ID_WEBP && moves(bytes)) {
        return "it is an animated WebP, which this FFmpeg cannot read; convert it to GIF or PNG, for example with "
               "`convert '" +
               file.path() + "' picture.gif` of ImageMagick";
    }
    if (codec == AV_CODEC_ID_TIFF && is_big_tiff(bytes))
        return "it is a BigTIFF, which this FFmpeg cannot read; convert it to PNG, or to an ordinary TIFF with "
               "`tiffcp`";
    if (failure == AVERROR_PATCHWELCOME || failure == AVERROR(ENOSYS) ||
        (codec == AV_CODEC_ID_MJPEG && is_arithmetic_jpeg(bytes))) {
        return std::string("it is a kind of ") + (codec == AV_CODEC_ID_MJPEG ? "jpeg" : avcodec_get_name(codec)) +
               " that this FFmpeg cannot read; convert it to JPEG or PNG";
    }
    return "its data is damaged";
}

std::string pages_left(const std::string& path, AVCodecID codec, file_bytes bytes) {
    if (codec != AV_CODEC_ID_TIFF) return {};
    const auto directories = tiff_directories::open(bytes);
    const std::size_t pages = directories ? directories->pages() : 0;
    return pages > 1 ? fmt::format("{} has {} pages; the first one is read", path, pages) : std::string();
}

result<decoded_picture> describe(const std::string& path, decoder& from, frame_ptr frame, const stream_traits& traits) {
    decoded_picture picture;
    picture.codec = avcodec_get_name(traits.codec);
    picture.damaged =
        from.take_corrupt() > 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame->decode_error_flags != 0;
    if (const auto fits =
            check_size("it", static_cast<std::uint64_t>(frame->width), static_cast<std::uint64_t>(frame->height));
        !fits) {
        return unreadable(path, fits.error().message);
    }
    auto mapped = frame_mapper(traits).map(std::move(frame));
    if (!mapped) return unreadable(path, mapped.error().message);
    picture.mapped = std::move(*mapped);
    return picture;
}

result<decoded_picture> decode_coded(const picture_file& file, AVCodecID codec) {
    if (file.size() > max_picture_bytes) {
        return unreadable(file.path(), fmt::format("it has {} MiB, and pictures may have {}", file.size() >> 20,
                                                   max_picture_bytes >> 20));
    }
    if (avcodec_find_decoder(codec) == nullptr) {
        return unreadable(file.path(), fmt::format("this FFmpeg has no decoder for {}; convert it to JPEG or PNG",
                                                   avcodec_get_name(codec)));
    }
    AVCodecParameters parameters{};
    parameters.codec_type = AVMEDIA_TYPE_VIDEO;
    parameters.codec_id = codec;
    parameters.format = -1;
    auto made = decoder::open(parameters, AVRational{1, 25}, {.threads = 1, .low_delay = true});
    if (!made) return unreadable(file.path(), made.error().message);

    const packet_ptr whole(av_packet_alloc());
    if (!whole || av_new_packet(whole.get(), static_cast<int>(file.size())) < 0)
        return unreadable(file.path(), "there is no memory for it");
    const auto size = static_cast<std::size_t>(file.size());
    FACEFLOW_TRY(file.read(whole->data, size));
    bool given = false;
    auto frame = made->next([&](AVPacket& packet) {
        return std::exchange(given, true) ? AVERROR_EOF : av_packet_ref(&packet, whole.get());
    });
    if (!frame) return unreadable(file.path(), frame.error().message);
    const file_bytes bytes(whole->data, size);
    if (!*frame) return unreadable(file.path(), explain(file, codec, bytes, made->last_failure()));
    stream_traits traits;
    traits.codec = codec;
    auto picture = describe(file.path(), *made, std::move(*frame), traits);
    if (picture) picture->left = pages_left(file.path(), codec, bytes);
    return picture;
}

// Reads the video stream's next packet.
int read_video_packet(demuxer& from, AVPacket& packet) {
    for (;;) {
        if (const int code = av_read_frame(from.format.get(), &packet); code < 0) return code;
        if (packet.stream_index == from.video->index) return 0;
        av_packet_unref(&packet);
    }
}

std::string others_left(const std::string& path, demuxer& from) {
    const std::string_view container = from.format->iformat->name;
    if (container == "ico") {
        const unsigned pictures = from.format->nb_streams;
        return pictures > 1 ? fmt::format("{} has {} pictures; one is read", path, pictures) : std::string();
    }
    const packet_ptr packet(av_packet_alloc());
    const bool more = packet && read_video_packet(from, *packet) == 0;
    return more ? path + " moves; its first picture is read" : std::string();
}

// Decodes the first picture of a file that libavformat opens.
result<decoded_picture> decode_contained(const std::string& path, std::stop_token stop,
                                         std::optional<turn_and_flip> turn) {
    source_options alone;
    alone.stop = stop;
    io_guard guard(std::move(stop));
    auto opened = open_demuxer({.input = path, .options = alone}, guard);
    if (!opened) return fail(errc::corrupt, opened.error().message);
    auto made = decoder::open(*opened->video->codecpar, opened->video->time_base, {.threads = 1, .low_delay = true});
    if (!made) return unreadable(path, made.error().message);
    auto frame = made->next([&](AVPacket& packet) { return read_video_packet(*opened, packet); });
    if (!frame) return unreadable(path, frame.error().message);
    if (!*frame) return unreadable(path, "it holds no frame that decodes");
    stream_traits traits = traits_of(*opened->video);
    if (!traits.turn) traits.turn = turn;
    auto picture = describe(path, *made, std::move(*frame), traits);
    if (picture) picture->left = others_left(path, *opened);
    return picture;
}

std::string heif_name(const heif_picture& about) {
    if (about.kind == "av01") return "an AVIF picture";
    if (about.kind.starts_with("hvc") || about.kind.starts_with("hev")) return "an HEIC picture";
    if (about.kind == "grid") return "a picture made of tiles (HEIC and large AVIF are)";
    return "an HEIF picture of another kind (" + (about.kind.empty() ? "unknown" : about.kind) + ")";
}

result<decoded_picture> decode_heif(const picture_file& file, std::stop_token stop) {
    const heif_picture about = read_heif(file.descriptor(), static_cast<std::uint64_t>(file.size()));
    const std::string& path = file.path();
    if (const auto fits = check_size("it", about.width, about.height); !fits)
        return unreadable(path, fits.error().message);
    const auto beyond = [&] {
        return unreadable(path, "it is " + heif_name(about) +
                                    ", which this FFmpeg cannot read; convert it to JPEG or PNG, for example with "
                                    "`heif-convert '" +
                                    path + "' picture.png`");
    };
    // Versions of libavformat that know tiles return them one by one.
    if (about.kind == "grid" || about.kind == "iovl") return beyond();
    auto picture = decode_contained(path, std::move(stop), about.turn);
    if (picture || about.kind == "av01") return picture;
    return beyond();
}

}  // namespace

result<decoded_picture> decode_picture(const std::string& path, std::stop_token stop) {
    FACEFLOW_ASSIGN(const auto file, picture_file::open(path));
    FACEFLOW_ASSIGN(const auto kind, file.kind());
    switch (kind.form) {
        case picture_form::coded: return decode_coded(file, kind.codec);
        case picture_form::heif: return decode_heif(file, std::move(stop));
        default: return decode_contained(path, std::move(stop), std::nullopt);
    }
}

}  // namespace faceflow::internal::media
