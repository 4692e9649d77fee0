// SPDX-License-Identifier: Apache-2.0
// Requests and answers of the HTTP API, whatever carries them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace faceflow::internal::serve {

struct http_request {
    std::string method;                                     // "GET"
    std::string path;                                       // decoded, without the query: "/v1/sources/door"
    std::map<std::string, std::string, std::less<>> query;  // decoded
    std::string body;
};

struct http_response {
    int status = 200;
    std::string type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

// The path of a target such as "/v1/a%20b?token=x", and its query. False for a target that is not well-formed: it must
// begin with '/' and hold no spaces or control characters; escapes must be two hexadecimal digits, not of NUL.
[[nodiscard]] bool split_target(std::string_view target, http_request& into);

}  // namespace faceflow::internal::serve
