// SPDX-License-Identifier: Apache-2.0
#include "serve/http.hpp"

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

}  // namespace faceflow::internal::serve
