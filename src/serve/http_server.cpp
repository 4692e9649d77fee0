// SPDX-License-Identifier: Apache-2.0
#include "serve/http_server.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "serve/connection.hpp"

namespace faceflow::internal::serve {
namespace {

using asio::ip::tcp;

constexpr int max_connections = 256;
constexpr int threads_for_connections = 2, threads_for_work = 2;

class server final : public http_server {
public:
    server(service& of, server_options options)
        : address_(options.where),
          access_(is_loopback(options.where), std::move(options.token)),
          previews_(of),
          workers_(threads_for_work),
          context_{of, previews_, access_, workers_},
          acceptor_(io_),
          timer_(io_) {}

    ~server() override {
        io_.stop();
        for (auto& t : threads_)
            t.join();
        workers_.join();
    }

    result<void> start(const tls_files& tls) {
        beast::error_code ec;
        if (!tls.certificate.empty()) {
            FACEFLOW_TRY(read(tls));
        }
        const auto host = asio::ip::make_address(address_.host, ec);
        const tcp::endpoint at(host, address_.port);
        if (!ec) acceptor_.open(at.protocol(), ec);
        if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
        if (!ec) acceptor_.bind(at, ec);
        if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
        if (ec) {
            return fail(errc::unavailable,
                        fmt::format("cannot listen on {} port {}: {}", address_.host, address_.port, ec.message()));
        }
        address_.port = acceptor_.local_endpoint().port();
        accept();
        for (int i = 0; i < threads_for_connections; ++i) {
            FACEFLOW_ASSIGN(auto started, start_thread(
                                              "serving connections", [this] { io_.run(); }, [](const error&) {}));
            threads_.push_back(std::move(started));
        }
        return {};
    }

    const listen_address& address() const noexcept override { return address_; }

private:
    result<void> read(const tls_files& files) {
        auto& to = tls_.emplace(asio::ssl::context::tls_server);
        to.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                       asio::ssl::context::no_tlsv1_1);
        beast::error_code ec;
        to.use_certificate_chain_file(files.certificate, ec);
        if (ec)
            return fail(errc::not_found,
                        fmt::format("cannot use the certificate {}: {}", files.certificate, ec.message()));
        to.use_private_key_file(files.key, asio::ssl::context::pem, ec);
        if (ec) return fail(errc::not_found, fmt::format("cannot use the key {}: {}", files.key, ec.message()));
        return {};
    }

    void accept() {
        acceptor_.async_accept(asio::make_strand(io_), [this](beast::error_code ec, tcp::socket socket) {
            if (ec == asio::error::operation_aborted) return;
            if (ec) return accept_later();  // no descriptors are left, for example
            if (context_.connections < max_connections)
                serve_connection(tls_ ? stream(std::move(socket), *tls_) : stream(std::move(socket)), context_);
            accept();
        });
    }

    void accept_later() {
        timer_.expires_after(std::chrono::milliseconds(100));
        timer_.async_wait([this](beast::error_code ec) {
            if (!ec) accept();
        });
    }

    listen_address address_;
    const access_rules access_;
    preview_encoder previews_;
    asio::thread_pool workers_;
    server_context context_;
    asio::io_context io_;
    tcp::acceptor acceptor_;
    asio::steady_timer timer_;
    std::optional<asio::ssl::context> tls_;
    std::vector<std::thread> threads_;
};

}  // namespace

result<std::unique_ptr<http_server>> http_server::start(service& of, server_options options) {
    const tls_files tls = options.tls;
    auto s = std::make_unique<server>(of, std::move(options));
    FACEFLOW_TRY(s->start(tls));
    return s;
}

}  // namespace faceflow::internal::serve
