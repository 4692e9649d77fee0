// SPDX-License-Identifier: Apache-2.0
// A client's connection, plain or with TLS, so that what reads and writes it need not know which.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <memory>
#include <utility>

namespace faceflow::internal::serve {

// Models AsyncReadStream and AsyncWriteStream, and can carry a WebSocket. Its time-outs are those of beast::tcp_stream.
class stream {
public:
    using executor_type = boost::beast::tcp_stream::executor_type;
    using tls_stream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

    explicit stream(boost::asio::ip::tcp::socket socket)
        : plain_(std::make_unique<boost::beast::tcp_stream>(std::move(socket))) {}
    stream(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& tls)
        : tls_(std::make_unique<tls_stream>(boost::beast::tcp_stream(std::move(socket)), tls)) {}

    [[nodiscard]] boost::beast::tcp_stream& next_layer() noexcept { return tls_ ? tls_->next_layer() : *plain_; }
    [[nodiscard]] const boost::beast::tcp_stream& next_layer() const noexcept {
        return tls_ ? tls_->next_layer() : *plain_;
    }
    [[nodiscard]] executor_type get_executor() noexcept { return next_layer().get_executor(); }

    // The handler gets an error code at once where there is no TLS.
    template <class Handler>
    void async_handshake(Handler&& handler) {
        if (tls_) {
            tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
        } else {
            std::forward<Handler>(handler)(boost::beast::error_code());
        }
    }

    template <class Buffers, class Handler>
    void async_read_some(const Buffers& into, Handler&& handler) {
        if (tls_) {
            tls_->async_read_some(into, std::forward<Handler>(handler));
        } else {
            plain_->async_read_some(into, std::forward<Handler>(handler));
        }
    }
    template <class Buffers, class Handler>
    void async_write_some(const Buffers& from, Handler&& handler) {
        if (tls_) {
            tls_->async_write_some(from, std::forward<Handler>(handler));
        } else {
            plain_->async_write_some(from, std::forward<Handler>(handler));
        }
    }

private:
    // A WebSocket that ends closes the connection; peers learn of it by the WebSocket's own close message.
    friend void teardown(boost::beast::role_type role, stream& s, boost::beast::error_code& ec) {
        boost::beast::websocket::teardown(role, s.next_layer().socket(), ec);
    }
    template <class Handler>
    friend void async_teardown(boost::beast::role_type role, stream& s, Handler&& handler) {
        boost::beast::websocket::async_teardown(role, s.next_layer().socket(), std::forward<Handler>(handler));
    }

    std::unique_ptr<boost::beast::tcp_stream> plain_;
    std::unique_ptr<tls_stream> tls_;  // of the two one
};

}  // namespace faceflow::internal::serve
