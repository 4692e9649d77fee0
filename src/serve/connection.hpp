// SPDX-License-Identifier: Apache-2.0
// What all connections of the server share, and the kinds of them.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <string>

#include "serve/access.hpp"
#include "serve/http.hpp"
#include "serve/preview.hpp"
#include "serve/service.hpp"
#include "serve/stream.hpp"

namespace faceflow::internal::serve {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

// Outlives all connections.
struct server_context {
    service& of;
    preview_encoder& previews;
    const access_rules& access;
    asio::thread_pool& workers;  // what takes longer than a moment
    std::atomic<int> connections{0};
    std::atomic<int> pictures{0};  // posted, and in memory
};

using string_request = http::request<http::string_body>;

// Reads requests and answers them, until the client leaves. Lives as long as an operation of its stream is pending.
void serve_connection(stream client, server_context& with);

// Take over the stream of a request that was allowed.
void serve_feed(stream client, string_request request, const http_request& parsed, server_context& with);
void serve_preview(stream client, const std::string& source, server_context& with);

// Counts something while this lives: a connection, a posted picture.
class counted {
public:
    explicit counted(std::atomic<int>& in) : in_(in) { ++in_; }
    ~counted() { --in_; }
    counted(const counted&) = delete;

private:
    std::atomic<int>& in_;
};

}  // namespace faceflow::internal::serve
