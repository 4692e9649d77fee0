// SPDX-License-Identifier: Apache-2.0
#include "serve/http.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace faceflow::internal::serve {
namespace {

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
    std::string all;
    all.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (static_cast<unsigned char>(text[i]) <= ' ') return std::nullopt;  // no target has these as they are
        if (text[i] == '+' && plus_is_space) {
            all.push_back(' ');
            continue;
        }
        if (text[i] != '%') {
            all.push_back(text[i]);
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = digit(text[i + 1]), low = digit(text[i + 2]);
        if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
        all.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return all;
}

}  // namespace

bool split_target(std::string_view target, http_request& into) {
    if (!target.starts_with('/')) return false;
    const std::size_t mark = target.find('?');
    auto path = decoded(target.substr(0, mark), false);
    if (!path) return false;
    into.path = std::move(*path);
    into.query.clear();
    if (mark == std::string_view::npos) return true;
    for (std::string_view rest = target.substr(mark + 1); !rest.empty();) {
        const std::size_t end = rest.find('&');
        const std::string_view pair = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        const std::size_t equals = pair.find('=');
        auto key = decoded(pair.substr(0, equals), true);
        auto value = decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
        if (!key || !value) return false;
        into.query.insert_or_assign(std::move(*key), std::move(*value));
    }
    return true;
}

std::optional<byte_range> parse_range(std::string_view header, std::uint64_t size) {
    constexpr std::string_view unit = "bytes=";
    if (!header.starts_with(unit)) return std::nullopt;
    header.remove_prefix(unit.size());
    const std::size_t dash = header.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
        std::uint64_t n = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
        if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
        return n;
    };
    const std::string_view first = header.substr(0, dash), last = header.substr(dash + 1);
    const auto from = number(first), to = number(last);
    if (first.empty()) {
        if (!to) return std::nullopt;
        const std::uint64_t length = std::min(*to, size);
        return byte_range{size - length, length};
    }
    if (!from || (!last.empty() && (!to || *to < *from))) return std::nullopt;
    if (*from >= size) return byte_range{*from, 0};
    return byte_range{*from, std::min(to.value_or(size - 1), size - 1) - *from + 1};
}

}  // namespace faceflow::internal::serve
