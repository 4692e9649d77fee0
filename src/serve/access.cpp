// SPDX-License-Identifier: Apache-2.0
#include "serve/access.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <cstddef>

namespace faceflow::internal::serve {
namespace {

std::string_view without_port(std::string_view host) {
    if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
    return host.substr(0, host.find(':'));
}

bool own_name(std::string_view host) {
    const std::string_view name = without_port(host);
    return name == "localhost" || name == "[::1]" || name.starts_with("127.");
}

// Takes as long for any `given` of one length.
bool equal(std::string_view given, std::string_view wanted) {
    std::size_t difference = given.size() ^ wanted.size();
    for (std::size_t i = 0; i < given.size(); ++i)
        difference |= static_cast<std::size_t>(static_cast<unsigned char>(given[i]) ^
                                               static_cast<unsigned char>(wanted[i % wanted.size()]));
    return difference == 0;
}

// "http://host:port" without its scheme.
std::string_view host_of(std::string_view origin) {
    const std::size_t scheme = origin.find("://");
    return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

}  // namespace

result<listen_address> parse_listen_address(std::string_view text) {
    listen_address a;
    std::string_view port = text;
    if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
        std::string_view host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        if (host == "localhost") host = "127.0.0.1";
        if (!host.empty()) a.host = host;
    }
    in6_addr six{};
    in_addr four{};
    const bool known =
        ::inet_pton(AF_INET, a.host.c_str(), &four) == 1 || ::inet_pton(AF_INET6, a.host.c_str(), &six) == 1;
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), a.port);
    if (known && !port.empty() && parsed.ec == std::errc{} && parsed.ptr == port.data() + port.size()) return a;
    return fail(errc::invalid_argument,
                fmt::format("'{}' is not an address to listen on; write it as 127.0.0.1:8080 or [::1]:8080", text));
}

bool is_loopback(const listen_address& a) {
    return a.host == "::1" || a.host.starts_with("127.");
}

int access_rules::check(const credentials& c) const {
    constexpr int unauthorized = 401, forbidden = 403, misdirected = 421;
    if (loopback_ && !own_name(c.host)) return misdirected;
    if (!c.origin.empty() && host_of(c.origin) != c.host) return forbidden;
    if (token_.empty()) return 0;
    constexpr std::string_view bearer = "Bearer ";
    const std::string_view given =
        c.authorization.starts_with(bearer) ? c.authorization.substr(bearer.size()) : c.token;
    return equal(given, token_) ? 0 : unauthorized;
}

}  // namespace faceflow::internal::serve
