// SPDX-License-Identifier: Apache-2.0
#include "media/picture_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/try.hpp"
#include "media/fd_stream.hpp"
#include "media/heif.hpp"
#include "media/sources.hpp"
#include "media/tiff_directory.hpp"

namespace faceflow::internal::media {

namespace {

constexpr off_t probe_bytes = 64 * 1024;

std::string extension_of(std::string_view path) {
    const std::size_t dot = path.find_last_of("./");
    if (dot == std::string_view::npos || path[dot] != '.') return {};
    std::string extension(path.substr(dot + 1));
    std::ranges::transform(extension, extension.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return extension;
}

// Whether a GIF has no second picture.
bool holds_one_packet(int descriptor, const AVInputFormat* format) {
    const auto stream = fd_stream::open(descriptor, fd_access::read);
    AVFormatContext* raw = avformat_alloc_context();
    if (!stream || !raw) {
        avformat_free_context(raw);
        return false;
    }
    raw->pb = stream->context();
    raw->flags |= AVFMT_FLAG_CUSTOM_IO;
    if (avformat_open_input(&raw, nullptr, format, nullptr) < 0) return false;  // which frees raw
    const input_ptr opened(raw);
    const packet_ptr packet(av_packet_alloc());
    int packets = 0;
    while (packet && packets < 2 && av_read_frame(raw, packet.get()) >= 0) {
        ++packets;
        av_packet_unref(packet.get());
    }
    return packets == 1;
}

picture_kind coded(AVCodecID codec) {
    return {codec == AV_CODEC_ID_NONE ? picture_form::other : picture_form::coded, codec};
}

// The kind of picture for libavformat's name of the content.
picture_kind kind_of_format(const AVInputFormat& format, const std::string& extension, int descriptor) {
    std::string_view name = format.name;
    if (name == "mjpeg") return coded(extension.starts_with("jp") ? AV_CODEC_ID_MJPEG : AV_CODEC_ID_NONE);
    if (name == "ico" || name == "alias_pix" || name == "brender_pix")
        return {picture_form::contained, AV_CODEC_ID_NONE};
    if (name == "gif") {
        return {holds_one_packet(descriptor, &format) ? picture_form::contained : picture_form::other,
                AV_CODEC_ID_NONE};
    }
    if (!name.ends_with("_pipe")) return coded(AV_CODEC_ID_NONE);
    name.remove_suffix(5);
    if (name == "gif") return coded(AV_CODEC_ID_NONE);
    if (name == "jpeg") return coded(extension.starts_with("mj") ? AV_CODEC_ID_NONE : AV_CODEC_ID_MJPEG);
    if (name == "j2k") return coded(AV_CODEC_ID_JPEG2000);
    const AVCodecDescriptor* about = avcodec_descriptor_get_by_name(std::string(name).c_str());
    return coded(about ? about->id : AV_CODEC_ID_NONE);
}

}  // namespace

result<picture_file> picture_file::open(const std::string& path) {
    unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat about {};
    if (!file || ::fstat(file.get(), &about) != 0)
        return fail(errc::corrupt, "cannot open " + path + ": " + std::generic_category().message(errno));
    if (!S_ISREG(about.st_mode)) return fail(errc::corrupt, path + " is not a file");
    if (about.st_size == 0) return fail(errc::corrupt, path + " is empty (0 bytes)");
    return picture_file(path, std::move(file), about.st_size);
}

result<void> picture_file::read(std::uint8_t* to, std::size_t size) const {
    for (std::size_t done = 0; done < size;) {
        const ssize_t got = ::pread(descriptor(), to + done, size - done, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            return fail(errc::corrupt, "cannot read " + path_ + ": " +
                                           (got < 0 ? std::generic_category().message(errno) : "it became shorter"));
        }
        done += static_cast<std::size_t>(got);
    }
    return {};
}

result<picture_kind> picture_file::kind() const {
    prepare_libav();
    const auto size = static_cast<int>(std::min(size_, probe_bytes));
    std::vector<std::uint8_t> padded(static_cast<std::size_t>(size) + AVPROBE_PADDING_SIZE);
    FACEFLOW_TRY(read(padded.data(), static_cast<std::size_t>(size)));
    if (is_heif_still(file_bytes(padded).first(static_cast<std::size_t>(size))))
        return picture_kind{picture_form::heif, AV_CODEC_ID_NONE};
    if (is_big_tiff(padded)) return coded(AV_CODEC_ID_TIFF);
    const std::string extension = extension_of(path_);
    const std::string name = "picture." + extension;
    const AVProbeData data{name.c_str(), padded.data(), size, nullptr};
    int score = 0;
    const AVInputFormat* format = av_probe_input_format3(&data, 1, &score);
    if (format && std::string_view(format->name) != "image2") return kind_of_format(*format, extension, descriptor());
    // libav recognises a JPEG by its end, too; one that was cut off still shows its upper part.
    const bool jpeg_start = padded[0] == 0xFF && padded[1] == 0xD8 && padded[2] == 0xFF;
    if (jpeg_start) return coded(AV_CODEC_ID_MJPEG);
    if (extension == "tga") return coded(AV_CODEC_ID_TARGA);
    return extension == "pam" ? coded(AV_CODEC_ID_PAM)
                              : picture_kind{};  // formats that libavformat does not recognise by their header
}

picture_kind kind_of_file(const std::string& path) {
    const auto file = picture_file::open(path);
    if (!file) return {};
    return file->kind().value_or(picture_kind{});
}

bool is_picture(const std::string& path) {
    return picture_file::is_still(kind_of_file(path));
}

}  // namespace faceflow::internal::media
