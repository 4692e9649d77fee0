// SPDX-License-Identifier: Apache-2.0
// C++ access to the frames that `faceflow share` publishes: RAII wrappers around faceflow/client.h, which is the
// contract.
//
//     faceflow::client::connection share;
//     while (!share.ended())
//         if (auto frame = share.next(std::chrono::seconds(1))) use(frame->info(), frame->plane(0));
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "faceflow/client.h"

namespace faceflow::client {

// A failed call: its ff_status and message.
class failure : public std::runtime_error {
public:
    failure(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
    [[nodiscard]] int status() const noexcept { return status_; }

private:
    int status_;
};

// Owns one lease; move-only. Any thread may use it. It may outlive its connection.
class frame {
public:
    explicit frame(ff_frame* taken) noexcept : frame_(taken) {}

    [[nodiscard]] ff_frame_info info() const {
        ff_frame_info i{};
        ff_frame_get_info(frame_.get(), &i, sizeof i);
        return i;
    }
    // Throws failure if the frame has no such plane.
    [[nodiscard]] ff_plane plane(std::uint32_t index) const {
        ff_plane p{};
        if (const int status = ff_frame_get_plane(frame_.get(), index, &p, sizeof p); status != FF_OK)
            throw failure(status, "the frame has no plane " + std::to_string(index));
        return p;
    }
    [[nodiscard]] ff_memory memory() const {
        ff_memory m{};
        ff_frame_get_memory(frame_.get(), &m, sizeof m);
        return m;
    }
    // The caller owns the tensor and frees it through its deleter; null if the frame has no such plane.
    [[nodiscard]] DLManagedTensor* dlpack(std::uint32_t index) const {
        return ff_frame_plane_dlpack(frame_.get(), index);
    }
    [[nodiscard]] ff_frame* get() const noexcept { return frame_.get(); }

private:
    struct releaser {
        void operator()(ff_frame* f) const noexcept { ff_frame_release(f); }
    };
    std::unique_ptr<ff_frame, releaser> frame_;
};

// Owns one client; move-only. Use it from one thread at a time.
class connection {
public:
    // Connects to the server at `path`; empty: the default socket. `options` as in client.h, such as {.anticipate = 1}.
    // Throws failure.
    explicit connection(const std::string& path = {}, const ff_options& options = {}) : client_(ff_client_new()) {
        check(ff_client_connect(client_.get(), path.empty() ? nullptr : path.c_str(), &options));
    }

    // nullopt when no frame came in time, and at the end. Throws failure.
    [[nodiscard]] std::optional<frame> next(std::chrono::milliseconds timeout) {
        ff_frame* taken = nullptr;
        const int status = ff_next(client_.get(), static_cast<int>(timeout.count()), &taken);
        ended_ = status == FF_ENDED;
        if (!ended_) check(status);
        if (taken == nullptr) return std::nullopt;
        return frame(taken);
    }
    // True once next() has reached the end of the server's sources.
    [[nodiscard]] bool ended() const noexcept { return ended_; }

    [[nodiscard]] ff_stats stats() const {
        ff_stats s{};
        ff_client_get_stats(client_.get(), &s, sizeof s);
        return s;
    }
    // To pass to poll().
    [[nodiscard]] int descriptor() const noexcept { return ff_client_descriptor(client_.get()); }

private:
    struct closer {
        void operator()(ff_client* c) const noexcept { ff_client_close(c); }
    };
    void check(int status) const {
        if (status < 0) throw failure(status, ff_last_error(client_.get()));
    }

    std::unique_ptr<ff_client, closer> client_;
    bool ended_ = false;
};

}  // namespace faceflow::client
