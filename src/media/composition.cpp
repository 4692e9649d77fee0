// SPDX-License-Identifier: Apache-2.0
#include "media/composition.hpp"

#include <algorithm>
#include <string_view>

namespace faceflow::internal::media {

namespace {

constexpr std::int64_t max_offset_runs = 1 << 24;

struct mp4_box {
    std::uint32_t name = 0;
    std::int64_t begin = 0;  // of its content
    std::int64_t end = 0;
};

constexpr std::uint32_t mp4_name(std::string_view letters) {
    std::uint32_t name = 0;
    for (const char c : letters)
        name = name << 8 | static_cast<unsigned char>(c);
    return name;
}

std::optional<mp4_box> mp4_box_at(AVIOContext& io, std::int64_t at, std::int64_t end) {
    if (end - at < 8 || avio_seek(&io, at, SEEK_SET) < 0) return std::nullopt;
    std::int64_t size = avio_rb32(&io), header = 8;
    const std::uint32_t name = avio_rb32(&io);
    if (size == 1) {
        size = static_cast<std::int64_t>(avio_rb64(&io));
        header = 16;
    } else if (size == 0) {
        size = end - at;
    }
    if (size < header || size > end - at || avio_feof(&io) != 0) return std::nullopt;
    return mp4_box{name, at + header, at + size};
}

std::optional<mp4_box> find_mp4_box(AVIOContext& io, const mp4_box& in, std::string_view name) {
    for (auto next = mp4_box_at(io, in.begin, in.end); next; next = mp4_box_at(io, next->end, in.end)) {
        if (next->name == mp4_name(name)) return next;
    }
    return std::nullopt;
}

bool is_mp4_track(AVIOContext& io, const mp4_box& trak, int number) {
    const auto header = find_mp4_box(io, trak, "tkhd");
    if (!header || avio_seek(&io, header->begin, SEEK_SET) < 0) return false;
    const bool long_times = avio_r8(&io) == 1;
    avio_skip(&io, 3 + (long_times ? 16 : 8));
    return avio_rb32(&io) == static_cast<std::uint32_t>(number);
}

std::optional<mp4_box> offset_table_of(AVIOContext& io, int track) {
    const auto movie = find_mp4_box(io, {0, 0, avio_size(&io)}, "moov");
    if (!movie) return std::nullopt;
    for (auto next = mp4_box_at(io, movie->begin, movie->end); next; next = mp4_box_at(io, next->end, movie->end)) {
        if (next->name != mp4_name("trak") || !is_mp4_track(io, *next, track)) continue;
        auto found = next;
        for (const char* inner : {"mdia", "minf", "stbl", "ctts"}) {
            if (found) found = find_mp4_box(io, *found, inner);
        }
        return found;
    }
    return std::nullopt;
}

}  // namespace

std::optional<composition> composition::read(AVIOContext& io, int track) {
    const std::int64_t before = avio_tell(&io);
    std::optional<composition> made;
    const auto table = offset_table_of(io, track);
    if (table && avio_seek(&io, table->begin + 4, SEEK_SET) >= 0) {
        const std::int64_t count = avio_rb32(&io);
        if (count > 0 && count <= max_offset_runs && count <= (table->end - table->begin - 8) / 8) made.emplace();
        std::uint64_t end = 0;
        for (std::int64_t i = 0; made && i < count; ++i) {
            end += avio_rb32(&io);
            made->runs_.push_back({end, static_cast<std::int32_t>(avio_rb32(&io))});
        }
        if (avio_feof(&io) != 0) made.reset();
    }
    avio_seek(&io, before, SEEK_SET);
    return made;
}

std::int64_t composition::offset_of(std::size_t sample) const noexcept {
    const auto found = std::ranges::upper_bound(runs_, std::uint64_t{sample}, {}, &run::end);
    return found == runs_.end() ? 0 : found->offset;
}

}  // namespace faceflow::internal::media
