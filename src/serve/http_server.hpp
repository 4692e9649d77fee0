// SPDX-License-Identifier: Apache-2.0
// Serves the API, the page, WebSockets and previews over HTTP/1.1.
#pragma once

#include <memory>
#include <string>

#include "serve/access.hpp"
#include "serve/service.hpp"

namespace faceflow::internal::serve {

// Of a server that speaks TLS (1.2 or newer): PEM files. Empty: it does not.
struct tls_files {
    std::string certificate;  // with those that signed it, the server's first
    std::string key;
};

struct server_options {
    listen_address where;
    std::string token = {};  // that every request must have; empty: none
    tls_files tls = {};
};

// Bounds: 256 connections, headers of 8 KiB, bodies of 64 KiB, or 32 MiB for each of at most eight pictures; 10 s for a request's header, 30 s
// for a body or an answer, 30 s between requests. Slow WebSockets and viewers get the newest frame of a source.
class http_server {
public:
    // Listens and serves on threads of its own. The service outlives it. errc::unavailable if the address cannot be
    // had.
    [[nodiscard]] static result<std::unique_ptr<http_server>> start(service& of, server_options options);
    // Closes all connections.
    virtual ~http_server() = default;

    // With the port that was chosen.
    [[nodiscard]] virtual const listen_address& address() const noexcept = 0;
};

}  // namespace faceflow::internal::serve
