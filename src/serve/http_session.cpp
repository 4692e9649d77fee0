// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "core/thread.hpp"
#include "serve/api.hpp"
#include "serve/connection.hpp"
#include "serve/files.hpp"

namespace faceflow::internal::serve {
namespace {

using namespace std::chrono_literals;

constexpr auto header_time = 10s, body_time = 30s, idle_time = 30s;
constexpr std::size_t max_header = 8 << 10, max_body = 64 << 10, max_picture = 32 << 20;
constexpr int max_pictures = 8;
constexpr const char* content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri "
    "'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view text(beast::string_view v) {
    return {v.data(), v.size()};
}

class session : public std::enable_shared_from_this<session> {
public:
    session(stream client, server_context& with)
        : with_(with),
          counted_(with.connections),
          stream_(std::move(client)) {}

    void start() {
        stream_.next_layer().expires_after(header_time);
        stream_.async_handshake([self = shared_from_this()](beast::error_code ec) {
            if (!ec) self->read_header();
        });
    }

    void read_header(std::chrono::seconds time = header_time) {
        parser_.emplace();
        parser_->header_limit(max_header);
        parser_->body_limit(max_picture);
        stream_.next_layer().expires_after(time);
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
        // The page itself asks for the token, and a browser sends none for its files.
        const bool page = status == 401 && find_file(request_.path) != nullptr;
        if (status != 0 && !page) return refuse(status, refusal(status));
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
        stream_.next_layer().expires_after(body_time);
        http::async_write(stream_, *go_on, [self = shared_from_this(), go_on](beast::error_code ec, std::size_t) {
            if (!ec) self->read_body();
        });
    }

    void read_body() {
        stream_.next_layer().expires_after(body_time);
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
            if (with_.of.report(name)) return serve_preview(std::move(stream_), name, with_);
        }
        head_ = request_.method == "HEAD";
        if (head_) request_.method = "GET";
        request_.body = std::move(whole.body());
        request_.range = std::string(text(whole[http::field::range]));
        stream_.next_layer().expires_never();  // the work has limits of its own
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
        if (from.file != nullptr) return write_head_of(from);
        auto made = std::make_shared<http::response<http::string_body>>(static_cast<http::status>(from.status),
                                                                        version_, std::move(from.body));
        set_fields(*made, from);
        made->prepare_payload();
        if (head_) made->body().clear();
        stream_.next_layer().expires_after(body_time);
        http::async_write(stream_, *made, [self = shared_from_this(), made](beast::error_code ec, std::size_t) {
            self->wrote_all(ec);
        });
    }

    template <class Message>
    void set_fields(Message& to, const http_response& from) {
        if (!from.type.empty()) to.set(http::field::content_type, from.type);
        to.set("X-Content-Type-Options", "nosniff");
        to.set("Content-Security-Policy", content_policy);
        to.set("Referrer-Policy", "no-referrer");
        to.set(http::field::cache_control, "no-store");
        for (const auto& [name, value] : from.headers)
            to.set(name, value);
        to.keep_alive(keep_);
    }

    void write_head_of(const http_response& from) {
        using head = http::response<http::empty_body>;
        const auto made = std::make_shared<head>(static_cast<http::status>(from.status), version_);
        set_fields(*made, from);
        made->content_length(from.file->length);
        const auto writer = std::make_shared<http::response_serializer<http::empty_body>>(*made);
        stream_.next_layer().expires_after(body_time);
        http::async_write_header(
            stream_, *writer,
            [self = shared_from_this(), made, writer, file = from.file](beast::error_code ec, std::size_t) {
                if (ec || self->head_) return self->wrote_all(ec);
                self->write_file(file);
            });
    }

    // A file that became shorter meanwhile ends the connection: its length was announced.
    void write_file(const std::shared_ptr<file_part>& from) {
        constexpr std::size_t piece = 256 << 10;
        if (from->length == 0) return wrote_all({});
        piece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece, from->length)));
        const auto some = ::pread(from->file.get(), piece_.data(), piece_.size(), static_cast<off_t>(from->offset));
        if (some <= 0) return close();
        from->offset += static_cast<std::uint64_t>(some);
        from->length -= static_cast<std::uint64_t>(some);
        stream_.next_layer().expires_after(body_time);
        asio::async_write(stream_, asio::buffer(piece_.data(), static_cast<std::size_t>(some)),
                          [self = shared_from_this(), from](beast::error_code ec, std::size_t) {
                              if (ec) return self->close();
                              self->write_file(from);
                          });
    }

    void wrote_all(beast::error_code ec) {
        piece_ = {};
        if (ec || !keep_) return close();
        read_header(idle_time);
    }

    void close() {
        beast::error_code ignored;
        stream_.next_layer().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }

    server_context& with_;
    const counted counted_;
    std::optional<counted> picture_;  // while one is received or answered
    stream stream_;
    beast::flat_buffer buffer_{max_header + max_picture};
    std::optional<http::request_parser<http::string_body>> parser_;
    http_request request_;
    std::vector<char> piece_;  // of a file, while it is sent
    bool keep_ = false, head_ = false;
    unsigned version_ = 11;
};

}  // namespace

void serve_connection(stream client, server_context& with) {
    std::make_shared<session>(std::move(client), with)->start();
}

}  // namespace faceflow::internal::serve
