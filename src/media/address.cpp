// SPDX-License-Identifier: Apache-2.0
#include "media/address.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace faceflow::internal::media {

namespace {

constexpr std::string_view hidden = "***";

bool is_secret(std::string_view key) {
    static constexpr std::array<std::string_view, 7> words = {"pass", "pwd", "token", "secret", "auth", "sig", "key"};
    std::string lower(key);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return std::ranges::any_of(words, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

std::string hide_in_query(std::string_view query) {
    std::string shown;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        const std::size_t equals = pair.find('=');
        const bool secret = equals != std::string_view::npos && is_secret(pair.substr(0, equals));
        shown += secret ? std::string(pair.substr(0, equals + 1)).append(hidden) : std::string(pair);
        query.remove_prefix(end);
        if (query.empty()) break;
        shown += '&';
        query.remove_prefix(1);
    }
    return shown;
}

}  // namespace

std::string without_secrets(std::string_view input) {
    const std::size_t scheme = input.find("://");
    if (scheme == std::string_view::npos) return std::string(input);
    const std::size_t from = scheme + 3;
    const std::size_t host_end = std::min(input.find_first_of("/?#", from), input.size());
    const std::string_view authority = input.substr(from, host_end - from);
    std::string shown(input.substr(0, from));
    // The last @ ends the password, which may contain an unencoded @; a password with a / cannot be distinguished from
    // a path.
    const std::size_t at = authority.rfind('@');
    const std::size_t colon = authority.find(':');
    const bool has_password = at != std::string_view::npos && colon < at;
    shown += has_password ? std::string(authority.substr(0, colon + 1)).append(hidden).append(authority.substr(at))
                          : std::string(authority);
    const std::string_view rest = input.substr(host_end);
    const std::size_t question = rest.find('?');
    if (question == std::string_view::npos) return shown.append(rest);
    return shown.append(rest.substr(0, question + 1)) + hide_in_query(rest.substr(question + 1));
}

}  // namespace faceflow::internal::media
