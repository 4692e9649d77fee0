// SPDX-License-Identifier: Apache-2.0
#include "serve/http_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <cctype>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/try.hpp"

namespace faceflow::internal::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr auto patience = std::chrono::seconds(5);
constexpr std::size_t max_answer = 16 << 20;

// One exchange; its operations follow one another on `io`.
class exchange {
public:
    exchange(const service_address& to, const std::string& path, const std::string& token) : to_(to) {
        request_ = {http::verb::get, path, 11};
        request_.set(http::field::host, to.host + ":" + to.port);
        if (!token.empty()) request_.set(http::field::authorization, "Bearer " + token);
        answer_.body_limit(max_answer);
    }

    result<std::string> run(const std::string& certificate) {
        beast::error_code ec;
        const auto found = tcp::resolver(io_).resolve(to_.host, to_.port, ec);
        if (ec) return unavailable(ec);
        beast::tcp_stream plain(io_);
        plain.expires_after(patience);
        await(ec,
              [&](auto done) { plain.async_connect(found, [done](beast::error_code e, const auto&) { done(e); }); });
        if (ec) return unavailable(ec);
        if (!to_.tls) return converse(plain);
        FACEFLOW_TRY(trust(certificate));
        beast::ssl_stream<beast::tcp_stream> secure(std::move(plain), tls_);
        secure.set_verify_callback(asio::ssl::host_name_verification(to_.host));
        // What SSL_set_tlsext_host_name stands for, without its C cast.
        SSL_ctrl(secure.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(to_.host.c_str()));
        await(ec, [&](auto done) { secure.async_handshake(asio::ssl::stream_base::client, done); });
        if (ec) return unavailable(ec);
        return converse(secure);
    }

private:
    template <class Start>
    void await(beast::error_code& ec, Start start) {
        io_.restart();
        start([&ec](beast::error_code e) { ec = e; });
        io_.run();
    }

    result<void> trust(const std::string& certificate) {
        beast::error_code ec;
        tls_.set_verify_mode(asio::ssl::verify_peer);
        if (certificate.empty()) {
            tls_.set_default_verify_paths(ec);
        } else {
            tls_.load_verify_file(certificate, ec);
        }
        if (!ec) return {};
        return fail(errc::not_found, fmt::format("cannot read the certificate {}: {}", certificate, ec.message()));
    }

    template <class Stream>
    result<std::string> converse(Stream& with) {
        beast::error_code ec;
        beast::flat_buffer buffer;
        await(ec, [&](auto done) {
            http::async_write(with, request_, [done](beast::error_code e, std::size_t) { done(e); });
        });
        if (!ec) {
            await(ec, [&](auto done) {
                http::async_read(with, buffer, answer_, [done](beast::error_code e, std::size_t) { done(e); });
            });
        }
        if (ec) return unavailable(ec);
        auto whole = answer_.release();
        if (whole.result() == http::status::ok) return std::move(whole.body());
        return fail(errc::invalid_argument, reason(whole.result_int(), whole.body()));
    }

    [[nodiscard]] std::string reason(unsigned status, const std::string& body) const {
        const auto json = nlohmann::json::parse(body, nullptr, false);
        const auto at = nlohmann::json::json_pointer("/error/message");
        if (json.is_object() && json.contains(at) && json[at].is_string())
            return fmt::format("{} says: {}", to_text(to_), json[at].get<std::string>());
        return fmt::format("{} answers with status {}: is it a faceflow service?", to_text(to_), status);
    }

    [[nodiscard]] tl::unexpected<error> unavailable(const beast::error_code& ec) const {
        return fail(errc::unavailable, fmt::format("no service answers at {}: {}; start one with `faceflow serve`",
                                                   to_text(to_), ec.message()));
    }

    const service_address& to_;
    asio::io_context io_;
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    http::request<http::empty_body> request_;
    http::response_parser<http::string_body> answer_;
};

}  // namespace

result<service_address> parse_service_address(std::string_view text) {
    service_address a;
    std::string_view rest = text;
    if (rest.starts_with("https://")) {
        a.tls = true;
        a.port = "443";
        rest.remove_prefix(8);
    } else if (rest.starts_with("http://")) {
        a.port = "80";
        rest.remove_prefix(7);
    }
    const bool bare = rest.size() == text.size();
    rest = rest.substr(0, rest.find('/'));
    const auto digits = [](std::string_view s) {
        return !s.empty() && s.size() <= 5 && std::ranges::all_of(s, [](char c) { return c >= '0' && c <= '9'; });
    };
    std::string_view host = rest;
    std::optional<std::string_view> port;
    if (const std::size_t end = rest.find(']'); rest.starts_with('[') && end != std::string_view::npos) {
        host = rest.substr(1, end - 1);
        if (rest.size() > end + 1) port = rest.substr(rest[end + 1] == ':' ? end + 2 : end);  // "]x": no port
    } else if (const std::size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
        host = rest.substr(0, colon);
        port = rest.substr(colon + 1);
    } else if (bare && digits(rest)) {
        host = a.host;
        port = rest;
    }
    if (host.empty() && port) host = a.host;
    const bool plain = !host.empty() && std::ranges::all_of(host, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == ':' || c == '_';
    });
    if (!plain || (port && !digits(*port)))
        return fail(errc::invalid_argument,
                    fmt::format("'{}' is not the address of a service; write it as http://127.0.0.1:8080", text));
    a.host = host;
    if (port) a.port = *port;
    return a;
}

std::string to_text(const service_address& a) {
    const bool six = a.host.find(':') != std::string::npos;
    return fmt::format("{}://{}{}{}:{}/", a.tls ? "https" : "http", six ? "[" : "", a.host, six ? "]" : "", a.port);
}

result<std::string> get(const service_address& from, const std::string& path, const std::string& token,
                        const std::string& certificate) {
    return exchange(from, path, token).run(certificate);
}

}  // namespace faceflow::internal::serve
