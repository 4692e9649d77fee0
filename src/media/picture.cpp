#include "media/picture.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/unique_fd.hpp"
#include "media/decoder.hpp"
#include "media/sources.hpp"

namespace faceflow::media {

namespace {

constexpr off_t probe_bytes = 64 * 1024;
// More than any camera's file; what is larger is no picture, or too much for a frame among others.
constexpr off_t most_picture_bytes = off_t{512} << 20;

// Opened without waiting: a FIFO among the pictures has nobody at its other end.
result<unique_fd> open_picture(const std::string& path, off_t& size) {
    unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat about {};
    if (!file || ::fstat(file.get(), &about) != 0)
        return fail(errc::corrupt, "cannot open " + path + ": " + std::generic_category().message(errno));
    if (!S_ISREG(about.st_mode)) return fail(errc::corrupt, path + " is no file");
    if (about.st_size == 0) return fail(errc::corrupt, path + " is empty (0 bytes)");
    size = about.st_size;
    return file;
}

result<void> read_whole(const unique_fd& file, const std::string& path, std::uint8_t* to, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
        const ssize_t got = ::pread(file.get(), to + done, size - done, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            return fail(errc::corrupt, "cannot read " + path + ": " +
                                           (got < 0 ? std::generic_category().message(errno) : "it became shorter"));
        }
        done += static_cast<std::size_t>(got);
    }
    return {};
}

std::string extension_of(std::string_view path) {
    const std::size_t dot = path.find_last_of("./");
    if (dot == std::string_view::npos || path[dot] != '.') return {};
    std::string extension(path.substr(dot + 1));
    std::ranges::transform(extension, extension.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return extension;
}

// By content, for names lie; by name only where the format has no signature.
result<AVCodecID> picture_codec(const unique_fd& file, const std::string& path, off_t bytes) {
    prepare_libav();
    const auto size = static_cast<int>(std::min(bytes, probe_bytes));
    std::vector<std::uint8_t> padded(static_cast<std::size_t>(size) + AVPROBE_PADDING_SIZE);
    if (auto r = read_whole(file, path, padded.data(), static_cast<std::size_t>(size)); !r)
        return tl::unexpected(r.error());
    const std::string extension = extension_of(path);
    const std::string name = "picture." + extension;
    const AVProbeData data{name.c_str(), padded.data(), size, nullptr};
    int score = 0;
    const AVInputFormat* format = av_probe_input_format3(&data, 1, &score);
    // libav knows a JPEG by its end too; one that was cut off still shows its upper part.
    const bool jpeg_start = padded[0] == 0xFF && padded[1] == 0xD8 && padded[2] == 0xFF;
    if (!format || std::string_view(format->name) == "image2") {
        if (jpeg_start) return AV_CODEC_ID_MJPEG;
        return extension == "tga" ? AV_CODEC_ID_TARGA : AV_CODEC_ID_NONE;
    }
    std::string_view kind = format->name;
    const bool jpeg_name = extension.starts_with("jp");
    if (kind == "mjpeg") return jpeg_name ? AV_CODEC_ID_MJPEG : AV_CODEC_ID_NONE;
    if (!kind.ends_with("_pipe")) return AV_CODEC_ID_NONE;
    kind.remove_suffix(5);
    if (kind == "gif") return AV_CODEC_ID_NONE;
    if (kind == "jpeg") return extension.starts_with("mj") ? AV_CODEC_ID_NONE : AV_CODEC_ID_MJPEG;
    if (kind == "j2k") return AV_CODEC_ID_JPEG2000;
    const AVCodecDescriptor* about = avcodec_descriptor_get_by_name(std::string(kind).c_str());
    return about ? about->id : AV_CODEC_ID_NONE;
}

tl::unexpected<error> unreadable(const std::string& path, const std::string& why) {
    return fail(errc::corrupt, path + " is not a picture that can be read: " + why);
}

}  // namespace

bool is_picture(const std::string& path) {
    off_t size = 0;
    const auto file = open_picture(path, size);
    if (!file) return false;
    const auto codec = picture_codec(*file, path, size);
    return codec && *codec != AV_CODEC_ID_NONE;
}

result<decoded_picture> decode_picture(const std::string& path) {
    off_t size = 0;
    const auto file = open_picture(path, size);
    if (!file) return tl::unexpected(file.error());
    if (size > most_picture_bytes) {
        return unreadable(path, "it has " + std::to_string(size >> 20) + " MiB, and pictures may have " +
                                    std::to_string(most_picture_bytes >> 20));
    }
    const auto codec = picture_codec(*file, path, size);
    if (!codec) return tl::unexpected(codec.error());
    if (*codec == AV_CODEC_ID_NONE) return unreadable(path, "unknown format");
    AVCodecParameters coded{};
    coded.codec_type = AVMEDIA_TYPE_VIDEO;
    coded.codec_id = *codec;
    coded.format = -1;
    auto made = decoder::open(coded, AVRational{1, 25}, 1, true);
    if (!made) return unreadable(path, made.error().message);

    bool given = false;
    result<void> got;
    auto frame = made->next([&](AVPacket& packet) {
        if (std::exchange(given, true)) return AVERROR_EOF;
        if (const int code = av_new_packet(&packet, static_cast<int>(size)); code < 0) return code;
        got = read_whole(*file, path, packet.data, static_cast<std::size_t>(size));
        return got ? 0 : AVERROR(EIO);
    });
    if (!got) return tl::unexpected(got.error());
    if (!frame) return unreadable(path, frame.error().message);
    if (!*frame) return unreadable(path, "its data is damaged");

    decoded_picture picture;
    picture.codec = avcodec_get_name(coded.codec_id);
    picture.damaged =
        made->take_corrupt() > 0 || ((*frame)->flags & AV_FRAME_FLAG_CORRUPT) != 0 || (*frame)->decode_error_flags != 0;
    stream_traits traits;
    traits.codec = coded.codec_id;
    auto mapped = frame_mapper(traits).map(std::move(*frame));
    if (!mapped) return unreadable(path, mapped.error().message);
    picture.mapped = std::move(*mapped);
    return picture;
}

}  // namespace faceflow::media
