// SPDX-License-Identifier: Apache-2.0
#include "media/heif.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "media/byte_reader.hpp"

namespace faceflow::internal::media {

namespace {

constexpr std::uint64_t max_meta_bytes = std::uint64_t{16} << 20;

std::optional<std::uint64_t> big(file_bytes bytes, std::uint64_t at, unsigned size) noexcept {
    return number_at(bytes, at, size, byte_order::big);
}

struct box {
    std::string_view name;
    file_bytes content;
};

// Removes the first box from the front; a box longer than the data is cut.
std::optional<box> take_box(file_bytes& from) noexcept {
    const auto stated = big(from, 0, 4);
    if (!stated || from.size() < 8) return std::nullopt;
    std::uint64_t size = *stated, header = 8;
    if (size == 1) {
        size = big(from, 8, 8).value_or(0);
        header = 16;
    } else if (size == 0) {
        size = from.size();
    }
    if (size < header) return std::nullopt;
    const std::string_view name(static_cast<const char*>(static_cast<const void*>(from.data() + 4)), 4);
    const box found{name, part_of(from, header, size - header)};
    from = part_of(from, size, from.size());
    return found;
}

file_bytes content_of(file_bytes boxes, std::string_view name) noexcept {
    while (const auto next = take_box(boxes)) {
        if (next->name == name) return next->content;
    }
    return {};
}

std::uint64_t version_of(file_bytes full_box) noexcept {
    return big(full_box, 0, 1).value_or(0);
}

std::optional<std::uint64_t> primary_item(file_bytes meta) noexcept {
    const file_bytes pitm = content_of(meta, "pitm");
    return big(pitm, 4, version_of(pitm) == 0 ? 2 : 4);
}

std::string kind_of(file_bytes meta, std::uint64_t item) {
    const file_bytes iinf = content_of(meta, "iinf");
    file_bytes entries = part_of(iinf, version_of(iinf) == 0 ? 6 : 8, iinf.size());
    while (const auto entry = take_box(entries)) {
        const std::uint64_t version = version_of(entry->content);
        if (entry->name != "infe" || version < 2) continue;
        const unsigned id_bytes = version == 2 ? 2 : 4;
        if (big(entry->content, 4, id_bytes) != item) continue;
        const file_bytes kind = part_of(entry->content, 4 + id_bytes + 2, 4);
        return {kind.begin(), kind.end()};
    }
    return {};
}

// Visits each property index (from 1) of the item, in order.
template <class Visit>
void for_each_property(file_bytes ipma, std::uint64_t item, Visit visit) {
    const bool wide_id = version_of(ipma) >= 1, wide_index = (big(ipma, 3, 1).value_or(0) & 1) != 0;
    const std::uint64_t entries = big(ipma, 4, 4).value_or(0);
    const unsigned id_bytes = wide_id ? 4 : 2, index_bytes = wide_index ? 2 : 1;
    std::uint64_t at = 8;
    for (std::uint64_t i = 0; i < entries; ++i) {
        const auto id = big(ipma, at, id_bytes), count = big(ipma, at + id_bytes, 1);
        if (!id || !count) return;
        at += id_bytes + 1;
        for (std::uint64_t k = 0; k < *count; ++k, at += index_bytes) {
            const auto index = big(ipma, at, index_bytes);
            if (!index) return;
            if (*id == item) visit(*index & (wide_index ? 0x7FFFU : 0x7FU));
        }
    }
}

void apply(const box& property, heif_picture& picture) noexcept {
    if (property.name == "ispe") {
        picture.width = big(property.content, 4, 4).value_or(0);
        picture.height = big(property.content, 8, 4).value_or(0);
        return;
    }
    const auto value = big(property.content, 0, 1);
    if (!value || (property.name != "irot" && property.name != "imir")) return;
    turn_and_flip by;
    if (property.name == "irot") {
        by.turn = static_cast<rotation>((4 - (*value & 3U)) % 4);  // it counts anticlockwise
    } else {
        // A vertical flip: turned by 180 degrees and mirrored.
        by = {(*value & 1U) == 0 ? rotation::cw180 : rotation::none, true};
    }
    picture.turn = followed_by(picture.turn.value_or(turn_and_flip{}), by);
}

// Fills `into`; returns fewer bytes at the end of the file.
file_bytes read_at(int descriptor, std::uint64_t at, std::vector<std::uint8_t>& into) {
    std::size_t done = 0;
    while (done < into.size()) {
        const ssize_t got = ::pread(descriptor, into.data() + done, into.size() - done, static_cast<off_t>(at + done));
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
    }
    return file_bytes(into).first(done);
}

}  // namespace

bool is_heif_still(file_bytes head) noexcept {
    static constexpr std::array<std::string_view, 8> stills = {"avif", "heic", "heix", "heim",
                                                               "heis", "mif1", "mif2", "miaf"};
    const auto first = take_box(head);
    if (!first || first->name != "ftyp") return false;
    return std::ranges::any_of(stills, [&](std::string_view brand) { return starts_with(first->content, brand); });
}

heif_picture read_heif_meta(file_bytes meta) {
    heif_picture picture;
    const file_bytes boxes = part_of(meta, 4, meta.size());
    const auto item = primary_item(boxes);
    if (!item) return picture;
    picture.kind = kind_of(boxes, *item);
    const file_bytes iprp = content_of(boxes, "iprp");
    std::vector<box> properties;
    file_bytes listed = content_of(iprp, "ipco");
    while (const auto property = take_box(listed))
        properties.push_back(*property);
    for_each_property(content_of(iprp, "ipma"), *item, [&](std::uint64_t index) {
        if (index >= 1 && index <= properties.size()) apply(properties[static_cast<std::size_t>(index) - 1], picture);
    });
    return picture;
}

heif_picture read_heif(int descriptor, std::uint64_t size) {
    std::vector<std::uint8_t> header(16);
    for (std::uint64_t at = 0; at + 8 <= size;) {
        file_bytes bytes = read_at(descriptor, at, header);
        const bool is_meta = part_of(bytes, 4, 4).size() == 4 && starts_with(bytes.subspan(4), "meta");
        const std::uint64_t stated = big(bytes, 0, 4).value_or(0);
        const std::uint64_t box_bytes = stated == 1 ? big(bytes, 8, 8).value_or(0) : stated == 0 ? size - at : stated;
        if (box_bytes < 8 || box_bytes > size - at) break;
        if (is_meta) {
            const std::uint64_t head = stated == 1 ? 16 : 8;
            if (box_bytes < head || box_bytes > max_meta_bytes) break;
            std::vector<std::uint8_t> meta(static_cast<std::size_t>(box_bytes - head));
            return read_heif_meta(read_at(descriptor, at + head, meta));
        }
        at += box_bytes;
    }
    return {};
}

}  // namespace faceflow::internal::media
