// SPDX-License-Identifier: Apache-2.0
#include "media/entry_packet.hpp"

#include <optional>

#include "media/byte_reader.hpp"

namespace faceflow::internal::media {
namespace {

// The size of the length field before each unit, from MP4's boxes (ISO/IEC 14496-15, avcC and hvcC); nullopt if start
// codes separate units.
std::optional<unsigned> length_bytes(AVCodecID codec, file_bytes extradata) noexcept {
    const bool h264 = codec == AV_CODEC_ID_H264;
    const std::size_t at = h264 ? 4 : 21;
    if (extradata.size() <= at) return std::nullopt;
    const bool annex_b = extradata[0] == 0 && extradata[1] == 0 && extradata[2] <= 1;
    if (annex_b || (h264 && extradata[0] != 1)) return std::nullopt;
    return (extradata[at] & 3u) + 1u;
}

// Whether a coded picture is an IDR picture; nullopt for other units.
std::optional<bool> is_idr(AVCodecID codec, std::uint8_t header) noexcept {
    if (codec == AV_CODEC_ID_H264) {
        const int type = header & 0x1f;
        if (type < 1 || type > 5) return std::nullopt;
        return type == 5;
    }
    const int type = header >> 1 & 0x3f;
    if (type > 31) return std::nullopt;
    return type == 19 || type == 20;
}

std::optional<std::uint64_t> after_start_code(file_bytes bytes, std::uint64_t at) noexcept {
    for (; at + 3 < bytes.size(); ++at) {
        const auto i = static_cast<std::size_t>(at);
        if (bytes[i] == 0 && bytes[i + 1] == 0 && bytes[i + 2] == 1) return at + 3;
    }
    return std::nullopt;
}

}  // namespace

bool is_entry_packet(AVCodecID codec, file_bytes extradata, file_bytes packet) noexcept {
    if (codec != AV_CODEC_ID_H264 && codec != AV_CODEC_ID_HEVC) return false;
    if (const auto prefix = length_bytes(codec, extradata)) {
        for (std::uint64_t at = 0;;) {
            const auto length = number_at(packet, at, *prefix, byte_order::big);
            if (!length || at + *prefix >= packet.size()) return false;
            at += *prefix;
            if (*length > 0) {
                if (const auto idr = is_idr(codec, packet[static_cast<std::size_t>(at)])) return *idr;
            }
            at += *length;
        }
    }
    for (auto at = after_start_code(packet, 0); at; at = after_start_code(packet, *at)) {
        if (const auto idr = is_idr(codec, packet[static_cast<std::size_t>(*at)])) return *idr;
    }
    return false;
}

}  // namespace faceflow::internal::media
