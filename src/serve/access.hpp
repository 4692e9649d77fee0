// SPDX-License-Identifier: Apache-2.0
// Who may talk to the service.
#pragma once

#include <string>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow::internal::serve {

struct listen_address {
    std::string host = "127.0.0.1";  // an IP address
    std::uint16_t port = 8080;       // 0: any free one
};
// "127.0.0.1:8080", "[::1]:8080", ":8080" (loopback) or "8080". errc::invalid_argument.
[[nodiscard]] result<listen_address> parse_listen_address(std::string_view text);
[[nodiscard]] bool is_loopback(const listen_address& a);

// What a request says of itself.
struct credentials {
    std::string_view host = {};           // the header Host
    std::string_view origin = {};         // Origin; empty: none
    std::string_view authorization = {};  // Authorization
    std::string_view token = {};          // the query's `token`, for what cannot send headers: pictures, WebSockets
};

class access_rules {
public:
    // `token`: empty: none is needed. On loopback only requests to this machine's own names are answered, so that a
    // page elsewhere cannot reach the service under a name of its own.
    access_rules(bool loopback, std::string token) : loopback_(loopback), token_(std::move(token)) {}

    // 0 if the request may be answered; else the status: 401 without the right token, 403 for one that comes from
    // another site's page, 421 for another host's name.
    [[nodiscard]] int check(const credentials& c) const;

private:
    const bool loopback_;
    const std::string token_;
};

}  // namespace faceflow::internal::serve
