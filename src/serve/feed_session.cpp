// SPDX-License-Identifier: Apache-2.0
// Clients that get every frame, or the newest where they are slow: WebSockets with faces, and viewers of previews.
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "serve/connection.hpp"

namespace faceflow::internal::serve {
namespace {

namespace websocket = beast::websocket;
using namespace std::chrono_literals;

// A message with a picture: the length of the row, four bytes, the lowest first; the row; the JPEG.
std::string with_picture(const preview& p) {
    const std::string& row = *p.of->row;
    std::string all;
    all.reserve(4 + row.size() + p.jpeg.size());
    for (int shift = 0; shift < 32; shift += 8)
        all.push_back(static_cast<char>((row.size() >> shift) & 0xffu));
    return all.append(row).append(p.jpeg);
}

class feed : public std::enable_shared_from_this<feed> {
public:
    feed(stream client, server_context& with, std::string source, bool pictures)
        : with_(with),
          counted_(with.connections),
          socket_(std::move(client)),
          source_(std::move(source)),
          pictures_(pictures) {}
    ~feed() {
        if (observer_) with_.of.unobserve(*observer_);
        if (look_) with_.previews.leave(*look_);
    }

    void start(string_request request) {
        beast::get_lowest_layer(socket_).expires_never();
        socket_.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
        socket_.read_message_max(1 << 10);
        socket_.auto_fragment(false);  // a message is a frame, for the simplest of clients
        auto kept = std::make_shared<string_request>(std::move(request));
        socket_.async_accept(*kept, [self = shared_from_this(), kept](beast::error_code ec) {
            if (ec) return;
            self->listen();
            self->read();
        });
    }

private:
    void listen() {
        const std::weak_ptr<feed> weak = weak_from_this();
        const auto to_self = [weak](const std::string& source, std::shared_ptr<const std::string> message) {
            auto self = weak.lock();
            if (self == nullptr) return;
            // Nothing of it stays here: its destructor waits for the end of this call.
            const auto executor = self->socket_.get_executor();
            asio::post(executor, [self = std::move(self), source, message = std::move(message)]() mutable {
                self->waiting_[source] = std::move(message);
                self->write();
            });
        };
        if (pictures_) {
            look_ = with_.previews.look_at(source_, [to_self](const preview_pointer& p) {
                to_self(p->of->source, std::make_shared<const std::string>(with_picture(*p)));
            });
        } else {
            observer_ = with_.of.observe([to_self, only = source_](const frame_pointer& f) {
                if (only.empty() || only == f->source) to_self(f->source, f->row);
            });
        }
    }

    // Clients say nothing; this notices that they leave.
    void read() {
        socket_.async_read(buffer_, [self = shared_from_this()](beast::error_code ec, std::size_t) {
            if (ec) return self->leave();
            self->buffer_.consume(self->buffer_.size());
            self->read();
        });
    }

    void write() {
        if (sent_ != nullptr || waiting_.empty() || left_) return;
        auto at = waiting_.upper_bound(last_);  // in turn
        if (at == waiting_.end()) at = waiting_.begin();
        last_ = at->first;
        sent_ = std::move(at->second);
        waiting_.erase(at);
        socket_.binary(pictures_);
        socket_.async_write(asio::buffer(*sent_), [self = shared_from_this()](beast::error_code ec, std::size_t) {
            self->sent_.reset();
            if (ec) return self->leave();
            self->write();
        });
    }

    void leave() {
        left_ = true;
        beast::get_lowest_layer(socket_).close();
    }

    server_context& with_;
    const counted counted_;
    websocket::stream<stream> socket_;
    const std::string source_;
    const bool pictures_;
    beast::flat_buffer buffer_;
    std::optional<std::uint64_t> observer_, look_;
    std::map<std::string, std::shared_ptr<const std::string>> waiting_;  // the newest message of each source
    std::shared_ptr<const std::string> sent_;                            // while it is
    std::string last_;
    bool left_ = false;
};

// multipart/x-mixed-replace, which browsers show as a picture that moves.
class moving_picture : public std::enable_shared_from_this<moving_picture> {
public:
    moving_picture(stream client, server_context& with)
        : with_(with),
          counted_(with.connections),
          stream_(std::move(client)) {}
    ~moving_picture() {
        if (look_) with_.previews.leave(*look_);
    }

    void start(const std::string& source) {
        const std::weak_ptr<moving_picture> weak = weak_from_this();
        look_ = with_.previews.look_at(source, [weak](const preview_pointer& p) {
            auto self = weak.lock();
            if (self == nullptr) return;
            const auto executor = self->stream_.get_executor();
            asio::post(executor, [self = std::move(self), p] {
                self->waiting_ = p;
                self->write();
            });
        });
        sent_ =
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";
        send();
        notice_end();
    }

private:
    void write() {
        if (!sent_.empty() || waiting_ == nullptr || left_) return;
        const std::string& jpeg = waiting_->jpeg;
        sent_ =
            "--frame\r\nContent-Type: image/jpeg\r\nX-Sequence: " + std::to_string(waiting_->of->frame.id.sequence) +
            "\r\nContent-Length: " + std::to_string(jpeg.size()) + "\r\n\r\n" + jpeg + "\r\n";
        waiting_.reset();
        send();
    }
    void send() {
        stream_.next_layer().expires_after(30s);
        asio::async_write(stream_, asio::buffer(sent_), [self = shared_from_this()](beast::error_code ec, std::size_t) {
            self->sent_.clear();
            if (ec) return self->leave();
            self->stream_.next_layer().expires_never();
            self->write();
        });
    }
    void notice_end() {
        stream_.async_read_some(asio::buffer(byte_), [self = shared_from_this()](beast::error_code ec, std::size_t) {
            if (ec) return self->leave();
            self->notice_end();
        });
    }
    void leave() {
        left_ = true;
        stream_.next_layer().close();
    }

    server_context& with_;
    const counted counted_;
    stream stream_;
    std::optional<std::uint64_t> look_;
    preview_pointer waiting_;
    std::string sent_;  // while it is
    char byte_[64] = {};
    bool left_ = false;
};

}  // namespace

void serve_feed(stream client, string_request request, const http_request& parsed, server_context& with) {
    const auto text = [&](std::string_view key) {
        const auto at = parsed.query.find(key);
        return at == parsed.query.end() ? std::string() : at->second;
    };
    const bool pictures = text("preview") == "1";
    std::make_shared<feed>(std::move(client), with, text("source"), pictures)->start(std::move(request));
}

void serve_preview(stream client, const std::string& source, server_context& with) {
    std::make_shared<moving_picture>(std::move(client), with)->start(source);
}

}  // namespace faceflow::internal::serve
