// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/post.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "core/thread.hpp"
#include "serve/api.hpp"
#include "serve/connection.hpp"

namespace faceflow::internal::serve {
namespace {

using namespace std::chrono_literals;

constexpr auto header_time = 10s, body_time = 30s, idle_time = 30s;
constexpr std::size_t max_header = 8 << 10, max_body = 64 << 10, max_picture = 32 << 20;
constexpr int max_pictures = 8;
constexpr const char* content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri "
    "'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view text(beast::string_view v) {
    return {v.data(), v.size()};
}

class session : public std::enable_shared_from_this<session> {
public:
    session(asio::ip::tcp::socket socket, server_context& with)
        : with_(with),
          counted_(with.connections),
          stream_(std::move(socket)) {}

    void read_header(std::chrono::seconds time = header_time) {
        parser_.emplace();
        parser_->header_limit(max_header);
        parser_->body_limit(max_picture);
        stream_.expires_after(time);
        http::async_read_header(stream_, buffer_, *parser_,
                                [self = shared_from_this()](beast::error_code ec, std::size_t) { self->check(ec); });
    }

private:
    void check(beast::error_code ec) {
        if (ec == http::error::header_limit) return refuse(431, "the request's header is too long");
        if (ec == http::error::body_limit) return refuse(413, "the request's body is too long");
        if (ec == http::error::end_of_stream || ec == beast::error::timeout) return close();
        if (ec) return refuse(400, "this is no HTTP request");
        const auto& header = parser_->get();
        if (!split_target(text(header.target()), request_)) return refuse(400, "this is no address of a request");
        request_.method = std::string(text(header.method_string()));
        const auto token = request_.query.find("token");
        const int status = with_.access.check({.host = text(header[http::field::host]),
                                               .origin = text(header[http::field::origin]),
                                               .authorization = text(header[http::field::authorization]),
                                               .token = token == request_.query.end() ? "" : token->second});
        if (status != 0) return refuse(status, refusal(status));
        const bool picture = request_.method == "POST" && request_.path == "/v1/faces";
        const auto length = parser_->content_length();
        if (!picture && (parser_->chunked() || (length && *length > max_body)))
            return refuse(413, "the request's body is too long");
        if (picture && length && *length > max_picture) return refuse(413, "the picture's file is too large");
        if (picture) {
            picture_.emplace(with_.pictures);
            if (with_.pictures > max_pictures)
                return refuse(503, "other pictures are being looked at: try again later");
        }
        if (text(header[http::field::expect]) == "100-continue") return invite();
        read_body();
    }

    // A client that asked whether its body is wanted.
    void invite() {
        auto go_on = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
        stream_.expires_after(body_time);
        http::async_write(stream_, *go_on, [self = shared_from_this(), go_on](beast::error_code ec, std::size_t) {
            if (!ec) self->read_body();
        });
    }

    void read_body() {
        stream_.expires_after(body_time);
        http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code ec, std::size_t) {
            if (ec == http::error::body_limit) return self->refuse(413, "the request's body is too long");
            if (ec) return self->close();
            self->dispatch();
        });
    }

    void dispatch() {
        string_request whole = parser_->release();
        keep_ = whole.keep_alive();
        version_ = whole.version();
        constexpr std::string_view before = "/v1/sources/", after = "/preview.mjpg";
        const std::string& path = request_.path;
        if (path == "/v1/faces" && beast::websocket::is_upgrade(whole))
            return serve_feed(std::move(stream_), std::move(whole), request_, with_);
        if (request_.method == "GET" && path.starts_with(before) && path.ends_with(after) &&
            path.size() > before.size() + after.size()) {
            const std::string name = path.substr(before.size(), path.size() - before.size() - after.size());
            if (with_.of.status(name)) return serve_preview(std::move(stream_), name, with_);
        }
        head_ = request_.method == "HEAD";
        if (head_) request_.method = "GET";
        request_.body = std::move(whole.body());
        stream_.expires_never();  // the work has limits of its own
        asio::post(with_.workers, [self = shared_from_this()] {
            auto made = caught_result("answering a request", [&]() -> result<http_response> {
                return answer(self->with_.of, self->request_);
            });
            asio::post(self->stream_.get_executor(), [self, made = std::move(made)]() mutable {
                self->write(made ? std::move(*made) : error_response(500, made.error().message));
            });
        });
    }

    static std::string_view refusal(int status) {
        if (status == 401) return "this service needs its token: Authorization: Bearer TOKEN, or ?token=TOKEN";
        if (status == 403) return "the request comes from the page of another site";
        return "this service is for this machine: ask for it as localhost";
    }

    void refuse(int status, std::string_view why) {
        keep_ = false;
        http_response r = error_response(status, why);
        if (status == 401) r.headers.emplace_back("WWW-Authenticate", "Bearer");
        write(std::move(r));
    }

    void write(http_response from) {
        request_.body = {};
        picture_.reset();
        auto made = std::make_shared<http::response<http::string_body>>(static_cast<http::status>(from.status),
                                                                        version_, std::move(from.body));
        if (!from.type.empty()) made->set(http::field::content_type, from.type);
        made->set("X-Content-Type-Options", "nosniff");
        made->set("Content-Security-Policy", content_policy);
        made->set("Referrer-Policy", "no-referrer");
        made->set(http::field::cache_control, "no-store");
        for (const auto& [name, value] : from.headers)
            made->set(name, value);
        made->keep_alive(keep_);
        made->prepare_payload();
        if (head_) made->body().clear();
        stream_.expires_after(body_time);
        http::async_write(stream_, *made, [self = shared_from_this(), made](beast::error_code ec, std::size_t) {
            if (ec || !self->keep_) return self->close();
            self->read_header(idle_time);
        });
    }

    void close() {
        beast::error_code ignored;
        stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }

    server_context& with_;
    const counted counted_;
    std::optional<counted> picture_;  // while one is received or answered
    beast::tcp_stream stream_;
    beast::flat_buffer buffer_{max_header + max_picture};
    std::optional<http::request_parser<http::string_body>> parser_;
    http_request request_;
    bool keep_ = false, head_ = false;
    unsigned version_ = 11;
};

}  // namespace

void serve_connection(asio::ip::tcp::socket socket, server_context& with) {
    std::make_shared<session>(std::move(socket), with)->read_header();
}

}  // namespace faceflow::internal::serve
