// SPDX-License-Identifier: Apache-2.0
#include "core/printable.hpp"

#include <cstdint>

namespace faceflow::internal {
namespace {

struct character {
    char32_t code = 0;
    std::size_t bytes = 0;  // 0: not UTF-8
};

// The first character of `text`, which is not empty.
character first_of(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    if (byte(0) < 0x80) return {byte(0), 1};
    const std::size_t bytes = byte(0) >= 0xc2 && byte(0) < 0xe0   ? 2
                              : byte(0) >= 0xe0 && byte(0) < 0xf0 ? 3
                              : byte(0) >= 0xf0 && byte(0) < 0xf5 ? 4
                                                                  : 0;
    if (bytes == 0 || bytes > text.size()) return {};
    char32_t code = byte(0) & (0x7fu >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {};
        code = code << 6 | (byte(i) & 0x3f);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
    return {code, bytes};
}

bool steers(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
    std::string shown;
    while (!text.empty()) {
        const character c = first_of(text);
        const std::size_t taken = c.bytes == 0 ? 1 : c.bytes;
        if (shown.size() + taken > most) return shown + "...";
        if (c.code == '\n' || c.code == '\r' || c.code == '\t') {
            shown += ' ';
        } else if (c.bytes == 0 || steers(c.code)) {
            shown += '?';
        } else {
            shown += text.substr(0, taken);
        }
        text.remove_prefix(taken);
    }
    return shown;
}

}  // namespace faceflow::internal
