// SPDX-License-Identifier: Apache-2.0
// Pictures with what FFmpeg's encoders do not write: the bytes that say which way up they are.
#pragma once

extern "C" {
#include <libavutil/crc.h>
}

#include <cstdint>
#include <string>
#include <vector>

namespace faceflow::internal::media::testing_media {

enum class endian { little, big };

inline std::string number(std::uint64_t value, unsigned bytes, endian order = endian::big) {
    std::string text;
    for (unsigned i = 0; i < bytes; ++i)
        text += static_cast<char>(value >> 8 * (order == endian::big ? bytes - 1 - i : i) & 0xFF);
    return text;
}

inline std::uint64_t number_in(const std::string& bytes, std::size_t at, unsigned size, endian order = endian::big) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i)
        value = value << 8 | static_cast<std::uint8_t>(bytes[at + (order == endian::big ? i : size - 1 - i)]);
    return value;
}

inline std::string entry(std::uint64_t tag, std::uint64_t value, endian order) {
    return number(tag, 2, order) + number(3, 2, order) + number(1, 4, order) + number(value, 2, order) + number(0, 2);
}

inline std::string exif(int orientation, endian order) {
    return (order == endian::big ? std::string("MM\0*", 4) : std::string("II*\0", 4)) + number(8, 4, order) +
           number(1, 2, order) + entry(274, static_cast<std::uint64_t>(orientation), order) + number(0, 4);
}

inline std::string png_chunk(const std::string& name, const std::string& data) {
    const std::string checked = name + data;
    const auto sum = av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), ~0U,
                            static_cast<const std::uint8_t*>(static_cast<const void*>(checked.data())), checked.size());
    return number(data.size(), 4) + checked + number(~sum & 0xFFFFFFFFU, 4);
}

// Behind the header, where writers put it.
inline std::string png_with_exif(const std::string& png, const std::string& data) {
    constexpr std::size_t header_end = 8 + 25;
    return png.substr(0, header_end) + png_chunk("eXIf", data) + png.substr(header_end);
}

inline std::string jpeg_with_exif(const std::string& jpeg, const std::string& data) {
    const std::string content = std::string("Exif\0\0", 6) + data;
    return jpeg.substr(0, 2) + "\xff\xe1" + number(content.size() + 2, 2) + content + jpeg.substr(2);
}

// The first directory anew at the end, with the entry in its place; what follows it in the chain is left out.
inline std::string tiff_with_orientation(const std::string& tiff, int orientation) {
    const endian order = tiff[0] == 'M' ? endian::big : endian::little;
    const auto at = static_cast<std::size_t>(number_in(tiff, 4, 4, order));
    const auto entries = static_cast<std::size_t>(number_in(tiff, at, 2, order));
    std::string before, after;
    for (std::size_t i = 0; i < entries; ++i) {
        const std::string one = tiff.substr(at + 2 + 12 * i, 12);
        (number_in(one, 0, 2, order) < 274 ? before : after) += one;
    }
    const std::string body = tiff + (tiff.size() % 2 == 1 ? std::string(1, '\0') : "");
    return body.substr(0, 4) + number(body.size(), 4, order) + body.substr(8) + number(entries + 1, 2, order) + before +
           entry(274, static_cast<std::uint64_t>(orientation), order) + after + number(0, 4);
}

// The picture that many times, as pages; or in a ring, the last one leading back to the first.
inline std::string tiff_of_pages(const std::string& tiff, int pages, bool ring = false) {
    const endian order = tiff[0] == 'M' ? endian::big : endian::little;
    const auto at = static_cast<std::size_t>(number_in(tiff, 4, 4, order));
    const auto bytes = 2 + 12 * static_cast<std::size_t>(number_in(tiff, at, 2, order));
    const std::string directory = tiff.substr(at, bytes);
    std::string all = tiff + (tiff.size() % 2 == 1 ? std::string(1, '\0') : "");
    const std::size_t begin = all.size();
    all.replace(4, 4, number(begin, 4, order));
    for (int page = 1; page <= pages; ++page) {
        const std::size_t next = all.size() + bytes + 4;
        all += directory + number(page < pages ? next : ring ? begin : 0, 4, order);
    }
    return all;
}

// PNGs of 64x64 in one ICO.
inline std::string icon_of(const std::vector<std::string>& pngs) {
    std::string head = number(0, 2) + number(1, 2, endian::little) + number(pngs.size(), 2, endian::little), content;
    for (const auto& png : pngs) {
        head += number(64, 1) + number(64, 1) + number(0, 2) + number(1, 2, endian::little) +
                number(32, 2, endian::little) + number(png.size(), 4, endian::little) +
                number(6 + 16 * pngs.size() + content.size(), 4, endian::little);
        content += png;
    }
    return head + content;
}

inline std::string webp_chunk(const std::string& name, const std::string& data) {
    return name + number(data.size(), 4, endian::little) + data + (data.size() % 2 == 1 ? std::string(1, '\0') : "");
}

inline std::string webp_with_exif(const std::string& webp, int width, int height, const std::string& data) {
    constexpr std::uint64_t has_exif = 8;
    const std::string extended = webp_chunk(
        "VP8X", number(has_exif, 4, endian::little) + number(static_cast<std::uint64_t>(width - 1), 3, endian::little) +
                    number(static_cast<std::uint64_t>(height - 1), 3, endian::little));
    const std::string content = "WEBP" + extended + webp.substr(12) + webp_chunk("EXIF", data);
    return "RIFF" + number(content.size(), 4, endian::little) + content;
}

inline std::string box(const std::string& name, const std::string& content) {
    return number(content.size() + 8, 4) + name + content;
}

// Turns of 90 degrees to the left, then a mirror: none (-1), top and bottom exchanged (0), left and right (1).
struct heif_turn {
    int irot = 0;
    int imir = -1;
};

// Of an AVIF as FFmpeg writes it: one item, its properties in `ipco`, and all of them named in `ipma`.
inline std::string avif_with_turn(std::string avif, const heif_turn& turn) {
    std::string properties;
    if (turn.irot != 0) properties += box("irot", number(static_cast<std::uint64_t>(turn.irot), 1));
    if (turn.imir >= 0) properties += box("imir", number(static_cast<std::uint64_t>(turn.imir), 1));
    const std::size_t ipco = avif.find("ipco"), ipma = avif.find("ipma"), iprp = avif.find("iprp"),
                      meta = avif.find("meta"), iloc = avif.find("iloc");
    const auto ipco_end = ipco - 4 + static_cast<std::size_t>(number_in(avif, ipco - 4, 4));
    std::uint64_t listed = 0;
    for (std::size_t at = ipco + 4; at < ipco_end; at += static_cast<std::size_t>(number_in(avif, at, 4)))
        ++listed;
    std::string associations;
    for (int i = 0; i < (turn.irot != 0 ? 1 : 0) + (turn.imir >= 0 ? 1 : 0); ++i)
        associations += number(0x80U | ++listed, 1);
    const auto grow = [&](std::size_t name_at, std::size_t by) {
        avif.replace(name_at - 4, 4, number(number_in(avif, name_at - 4, 4) + by, 4));
    };
    const std::size_t more = properties.size() + associations.size();
    grow(ipco, properties.size());
    grow(ipma, associations.size());
    grow(iprp, more);
    grow(meta, more);
    const std::size_t place = iloc + 4 + 4 + 2 + 2 + 2 + 2 + 2;  // of the one extent
    avif.replace(place, 4, number(number_in(avif, place, 4) + more, 4));
    const std::size_t count = ipma + 4 + 4 + 4 + 2;
    avif.replace(count, 1, number(number_in(avif, count, 1) + associations.size(), 1));
    const auto ipma_end = ipma - 4 + static_cast<std::size_t>(number_in(avif, ipma - 4, 4)) - associations.size();
    avif.insert(ipma_end, associations);
    avif.insert(ipco_end, properties);
    return avif;
}

// The same of another brand and kind of item: what it holds then is no picture of that kind.
inline std::string heif_of(std::string avif, const std::string& brand, const std::string& kind) {
    avif.replace(8, 4, brand);
    const std::size_t item = avif.find("infe");
    return avif.replace(avif.find("av01", item), 4, kind);
}

}  // namespace faceflow::internal::media::testing_media
