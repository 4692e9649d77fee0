// SPDX-License-Identifier: Apache-2.0
#include "media/local_path.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

namespace faceflow::internal::media {

namespace {

std::string lower_case(std::string_view text) {
    std::string low(text);
    std::ranges::transform(low, low.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return low;
}

result<std::string> decoded(const std::string& input, std::string_view path) {
    std::string plain;
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] != '%') {
            plain += path[i];
            continue;
        }
        unsigned value = 0;
        const std::string_view digits = path.substr(i + 1, 2);
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (digits.size() != 2 || parsed.ptr != digits.data() + 2 || value == 0) {
            return fail(errc::invalid_argument, input + " has '%" + std::string(digits) +
                                                    "' where a file: address has % and two hexadecimal digits; write a "
                                                    "percent sign as %25, or give the path alone");
        }
        plain += static_cast<char>(value);
        i += 2;
    }
    return plain;
}

}  // namespace

result<std::string> local_path(const std::string& input) {
    constexpr std::string_view scheme = "file:";
    if (lower_case(std::string_view(input).substr(0, scheme.size())) != scheme) return input;
    std::string_view rest = std::string_view(input).substr(scheme.size());
    if (!rest.starts_with('/')) return input;  // a file with that name
    if (rest.starts_with("//")) {
        rest.remove_prefix(2);
        const std::size_t slash = std::min(rest.find('/'), rest.size());
        const std::string host = lower_case(rest.substr(0, slash));
        if (!host.empty() && host != "localhost") {
            return fail(errc::invalid_argument, input + " names a file of the host " + host +
                                                    "; only files of this machine can be read so: file:///path, or the "
                                                    "path alone");
        }
        rest.remove_prefix(slash);
        if (rest.empty()) return fail(errc::invalid_argument, input + " has no path; write file:///path");
    }
    return decoded(input, rest);
}

}  // namespace faceflow::internal::media
