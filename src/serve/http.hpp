// SPDX-License-Identifier: Apache-2.0
// Requests and answers of the HTTP API, whatever carries them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/unique_fd.hpp"

namespace faceflow::internal::serve {

struct http_request {
    std::string method;                                     // "GET"
    std::string path;                                       // decoded, without the query: "/v1/sources/door"
    std::map<std::string, std::string, std::less<>> query;  // decoded
    std::string range = {};                                 // the header Range; empty: none
    std::string body;
};

// A part of a file, which is sent as it is read.
struct file_part {
    unique_fd file;
    std::uint64_t offset = 0, length = 0;
};

struct http_response {
    int status = 200;
    std::string type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    std::shared_ptr<file_part> file = nullptr;  // instead of `body`
};

// The path of a target such as "/v1/a%20b?token=x", and its query. False for a target that is not well-formed: it must
// begin with '/' and hold no spaces or control characters; escapes must be two hexadecimal digits, not of NUL.
[[nodiscard]] bool split_target(std::string_view target, http_request& into);

struct byte_range {
    std::uint64_t offset = 0, length = 0;
};
// The one range that a header such as "bytes=0-499", "bytes=500-" or "bytes=-100" names of a content of `size` bytes
// (RFC 9110, 14). nullopt: the whole content, for a header of another form or of several ranges, which may be ignored. A
// length of 0: no byte of the content is in it.
[[nodiscard]] std::optional<byte_range> parse_range(std::string_view header, std::uint64_t size);

}  // namespace faceflow::internal::serve
