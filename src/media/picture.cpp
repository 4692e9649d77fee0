#include "media/picture.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "media/decoder.hpp"
#include "media/sources.hpp"

namespace faceflow::media {

namespace {

constexpr std::size_t probe_bytes = 64 * 1024;

using bytes = std::vector<std::uint8_t>;

result<bytes> read_file(const std::string& path, std::size_t most) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return fail(errc::corrupt, "cannot open " + path + ": " + std::generic_category().message(errno));
    const std::streamoff size = file.tellg();
    bytes content(size > 0 ? std::min(static_cast<std::size_t>(size), most) : 0);
    file.seekg(0);
    file.read(static_cast<char*>(static_cast<void*>(content.data())), static_cast<std::streamsize>(content.size()));
    if (!file) return fail(errc::corrupt, "cannot read " + path);
    if (content.empty()) return fail(errc::corrupt, path + " is empty (0 bytes)");
    return content;
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
AVCodecID picture_codec(const std::string& path, const bytes& content) {
    prepare_libav();
    bytes padded(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(std::min(content.size(), probe_bytes)));
    const auto size = static_cast<int>(padded.size());
    padded.resize(padded.size() + AVPROBE_PADDING_SIZE);
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
    const auto content = read_file(path, probe_bytes);
    return content && picture_codec(path, *content) != AV_CODEC_ID_NONE;
}

result<decoded_picture> decode_picture(const std::string& path) {
    const auto content = read_file(path, static_cast<std::size_t>(INT32_MAX) - AV_INPUT_BUFFER_PADDING_SIZE);
    if (!content) return tl::unexpected(content.error());
    AVCodecParameters coded{};
    coded.codec_type = AVMEDIA_TYPE_VIDEO;
    coded.codec_id = picture_codec(path, *content);
    coded.format = -1;
    if (coded.codec_id == AV_CODEC_ID_NONE) return unreadable(path, "unknown format");
    auto made = decoder::open(coded, AVRational{1, 25}, 1, true);
    if (!made) return unreadable(path, made.error().message);

    bool given = false;
    auto frame = made->next([&](AVPacket& packet) {
        if (std::exchange(given, true)) return AVERROR_EOF;
        const int code = av_new_packet(&packet, static_cast<int>(content->size()));
        if (code == 0) std::ranges::copy(*content, packet.data);
        return code;
    });
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
