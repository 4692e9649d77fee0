// SPDX-License-Identifier: Apache-2.0
// Servers on the loopback that media tests read from, and lose.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace faceflow::internal::media::testing_media {

// A server of one connection after the other, on a thread.
class server {
public:
    server(const server&) = delete;
    virtual ~server() = default;

protected:
    explicit server(int connections) : connections_(connections) {
        listening_ = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address = loopback(0);
        auto* generic = static_cast<sockaddr*>(static_cast<void*>(&address));
        socklen_t size = sizeof address;
        bind(listening_, generic, size);
        listen(listening_, 8);
        getsockname(listening_, generic, &size);
        port_ = std::to_string(ntohs(address.sin_port));
    }
    static sockaddr_in loopback(int port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }
    // Once the object is whole.
    void begin() {
        thread_ = std::thread([this] {
            for (int i = 0; i < connections_ && !stop_; ++i) {
                const int client = accept(listening_, nullptr, nullptr);
                if (client < 0) break;
                serve(client);
                close(client);
            }
            close(listening_);
        });
    }
    // Before it goes.
    void end() {
        stop_ = true;
        shutdown(listening_, SHUT_RDWR);
        thread_.join();
    }
    virtual void serve(int client) = 0;

    static void send_all(int to, const std::string& bytes) {
        for (std::size_t sent = 0; sent < bytes.size();) {
            const auto n = send(to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
            if (n <= 0) return;
            sent += static_cast<std::size_t>(n);
        }
    }

    std::string port_;
    std::atomic<bool> stop_{false};

private:
    int connections_;
    int listening_ = -1;
    std::thread thread_;
};

// Each connection gets an HTTP header without a length, then `body`, then whatever `afterwards` says.
class endless_server final : public server {
public:
    enum class then { hang_up, fall_silent };

    endless_server(std::string body, then afterwards, int connections)
        : server(connections),
          body_(std::move(body)),
          afterwards_(afterwards) {
        begin();
    }
    ~endless_server() override { end(); }

    [[nodiscard]] std::string address() const { return "http://127.0.0.1:" + port_ + "/live"; }

private:
    void serve(int client) override {
        std::array<char, 2048> request{};
        if (read(client, request.data(), request.size()) <= 0) return;
        send_all(client, "HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n");
        send_all(client, body_);
        while (afterwards_ == then::fall_silent && !stop_)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }

    std::string body_;
    then afterwards_;
};

// Answers each request by what `answer` makes of its path: a whole response, or nothing, and then it hangs up.
class http_server final : public server {
public:
    using answer = std::function<std::string(const std::string& path)>;

    explicit http_server(answer make) : server(10'000), make_(std::move(make)) { begin(); }
    ~http_server() override { end(); }

    [[nodiscard]] std::string address(const std::string& path) const { return "http://127.0.0.1:" + port_ + path; }
    [[nodiscard]] int requests() const { return requests_; }

    static std::string response(const std::string& type, const std::string& body) {
        return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + type +
               "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }

private:
    void serve(int client) override {
        std::string request;
        std::array<char, 2048> part{};
        while (request.find("\r\n\r\n") == std::string::npos) {
            const auto got = read(client, part.data(), part.size());
            if (got <= 0) return;
            request.append(part.data(), static_cast<std::size_t>(got));
        }
        ++requests_;
        const auto from = request.find(' ') + 1;
        send_all(client, make_(request.substr(from, request.find(' ', from) - from)));
    }

    answer make_;
    std::atomic<int> requests_{0};
};

// A live HLS stream of segments that come one after the other, each when it is over; the playlist names all so far, and its end when
// there are no more.
class playlist_server {
public:
    using clock = std::chrono::steady_clock;

    // Nobody gets an answer between `away_from` and `away_until` seconds after the start, which is when `ahead` segments are there.
    playlist_server(std::vector<std::string> segments, double segment_seconds, std::size_t ahead, double away_from = 0,
                    double away_until = 0)
        : segments_(std::move(segments)),
          seconds_(segment_seconds),
          ahead_(ahead),
          away_from_(away_from),
          away_until_(away_until) {}

    [[nodiscard]] std::string address() const { return http_.address("/live.m3u8"); }

private:
    [[nodiscard]] std::string answer(const std::string& path) const {
        const double now = std::chrono::duration<double>(clock::now() - started_).count();
        if (now >= away_from_ && now < away_until_) return {};
        const auto there = std::min(segments_.size(), ahead_ + static_cast<std::size_t>(now / seconds_));
        if (path.ends_with(".ts")) {
            const auto index = static_cast<std::size_t>(std::stoi(path.substr(1)));
            return index < there ? http_server::response("video/mp2t", segments_[index])
                                 : "HTTP/1.1 404 Not Found\r\n\r\n";
        }
        std::string list = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n";
        for (std::size_t i = 0; i < there; ++i)
            list += "#EXTINF:" + std::to_string(seconds_) + ",\n" + std::to_string(i) + ".ts\n";
        if (there == segments_.size()) list += "#EXT-X-ENDLIST\n";
        return http_server::response("application/vnd.apple.mpegurl", list);
    }

    std::vector<std::string> segments_;
    double seconds_;
    std::size_t ahead_;
    double away_from_, away_until_;
    clock::time_point started_ = clock::now();
    http_server http_{[this](const std::string& path) { return answer(path); }};
};

// A camera that speaks RTSP (RFC 2326): each session plays a transport stream, as RTP packets of payload type 33 (RFC 2250), and
// then hangs up.
class rtsp_server final : public server {
public:
    enum class transport { tcp, udp };  // the only one that it offers

    rtsp_server(std::string transport_stream, transport offered, int connections)
        : server(connections),
          body_(std::move(transport_stream)),
          offered_(offered) {
        begin();
    }
    ~rtsp_server() override { end(); }

    [[nodiscard]] std::string address() const { return "rtsp://127.0.0.1:" + port_ + "/cam"; }
    [[nodiscard]] int refused() const { return refused_; }  // transports that were asked for and are not offered

private:
    void serve(int client) override {
        for (std::string request; !(request = next_request(client)).empty();) {
            const std::string method = request.substr(0, request.find(' '));
            std::string head = "CSeq: " + header(request, "CSeq") + "\r\nSession: 1\r\n", body;
            std::string status = "200 OK";
            if (method == "OPTIONS") head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n";
            if (method == "DESCRIBE") {
                body =
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP "
                    "33\r\na=control:track\r\n";
                head += "Content-Type: application/sdp\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
            }
            if (method == "SETUP") {
                const std::string asked = header(request, "Transport");
                const bool over_tcp = asked.find("/TCP") != std::string::npos;
                if (over_tcp == (offered_ == transport::tcp)) {
                    head += "Transport: " + accept_transport(asked, over_tcp) + "\r\n";
                } else {
                    status = "461 Unsupported Transport";
                    ++refused_;
                }
            }
            send_all(client, "RTSP/1.0 " + status + "\r\n" + head + "\r\n" + body);
            if (method == "PLAY") return play(client);
        }
    }

    static std::string next_request(int client) {
        std::string text;
        for (char c = 0; !text.ends_with("\r\n\r\n");) {
            if (read(client, &c, 1) != 1) return {};
            text += c;
        }
        return text;
    }
    static std::string header(const std::string& request, const std::string& name) {
        const auto at = request.find("\r\n" + name + ": ");
        if (at == std::string::npos) return {};
        const auto begin = at + name.size() + 4;
        return request.substr(begin, request.find("\r\n", begin) - begin);
    }

    std::string accept_transport(const std::string& asked, bool over_tcp) {
        if (over_tcp) return "RTP/AVP/TCP;unicast;interleaved=0-1";
        const std::string ports = asked.substr(asked.find("client_port=") + 12);
        client_port_ = std::atoi(ports.c_str());
        return "RTP/AVP;unicast;client_port=" + std::to_string(client_port_) + "-" + std::to_string(client_port_ + 1) +
               ";server_port=9-10";
    }

    void play(int client) const {
        const int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
        const sockaddr_in to = loopback(client_port_);
        constexpr std::size_t payload = std::size_t{7} * 188;
        std::uint16_t number = 0;
        for (std::size_t at = 0; at < body_.size() && !stop_; at += payload, ++number) {
            const std::string packet = rtp(number, body_.substr(at, payload));
            if (offered_ == transport::tcp) {
                send_all(client,
                         std::string{'$', 0, static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())} +
                             packet);
            } else {
                sendto(datagrams, packet.data(), packet.size(), 0,
                       static_cast<const sockaddr*>(static_cast<const void*>(&to)), sizeof to);
                std::this_thread::sleep_for(std::chrono::milliseconds(2));  // slower than any buffer overflows
            }
        }
        close(datagrams);
        if (offered_ == transport::udp) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }

    // A fixed header (RFC 3550), and the payload.
    static std::string rtp(std::uint16_t number, const std::string& payload) {
        const std::uint32_t ticks = std::uint32_t{number} * 900;  // of 90 kHz; what counts are the stream's own times
        std::string packet{static_cast<char>(0x80), 33, static_cast<char>(number >> 8), static_cast<char>(number)};
        for (const int shift : {24, 16, 8, 0})
            packet += static_cast<char>(ticks >> shift);
        return packet + "cam1" + payload;  // who sends
    }

    std::string body_;
    transport offered_;
    int client_port_ = 0;
    std::atomic<int> refused_{0};
};

}  // namespace faceflow::internal::media::testing_media
