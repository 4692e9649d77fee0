// SPDX-License-Identifier: Apache-2.0
// Shares frames with other programs: each frame is stored once in memory that clients have mapped, and announced to all
// of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/thread.hpp"
#include "device/device.hpp"
#include "frame/frame_store.hpp"
#include "frame/host_frame.hpp"
#include "ipc/listener.hpp"
#include "share/client_session.hpp"

namespace faceflow::internal::share {

inline constexpr std::size_t default_slots = 64;

struct server_options {
    std::filesystem::path socket;  // errors of listener::open
    // Limit of stored frames of one size. Each source works in one slot; the others are promised to clients as leases,
    // each to one client, so no client can take a slot from another.
    std::size_t slots = default_slots;
    std::uint32_t sources = 1;
    bool pinned = true;
};

struct server_counts {
    std::uint64_t frames = 0;                     // published
    std::uint64_t unseen = 0;                     // while no client was connected: not even copied
    std::uint64_t clients = 0;                    // clients accepted so far
    std::uint64_t connected = 0;                  // now
    std::uint64_t refused = 0;                    // another version, or no slots left
    std::uint64_t malformed = 0;                  // sent invalid data, or nothing at all
    std::uint64_t taken_back = 0;                 // leases held by clients when they disconnected
    client_counts told;                           // of all clients, including those that left
    std::map<std::string, std::uint64_t> errors;  // frames that could not be published, by reason
};

// Thread-safe, but publish each source's frames from one thread at a time. Clients may come, go, stall or die at any
// time without delaying a source.
class share_server {
public:
    // Host or emulated memory only: errc::unsupported for cuda.
    [[nodiscard]] static result<std::unique_ptr<share_server>> open(device& d, const server_options& chosen);
    // Tells clients that the sources have ended. Frames that they hold stay readable.
    ~share_server();
    share_server(const share_server&) = delete;

    // Returns once the frame is announced; on devices with their own memory, after a host sync. An error concerns only
    // this frame (counted by its reason); the server continues.
    [[nodiscard]] result<void> publish(const host_frame& f);

    // Blocks until a client is connected; false if none is by the deadline.
    [[nodiscard]] bool wait_for_client(std::chrono::steady_clock::time_point deadline);

    [[nodiscard]] server_counts counts() const;
    [[nodiscard]] const std::filesystem::path& socket() const noexcept { return door_.path(); }
    // An error once the serving thread has failed: no client is accepted from then on, and no disconnection is noticed.
    [[nodiscard]] result<void> health() const { return serving_error_.get(); }

private:
    struct source_upload {  // of a source
        std::unique_ptr<stream> up;
        std::unique_ptr<event> ready;
    };
    struct pending_client {  // has connected, but not sent its whole greeting
        ipc::channel from;
        ipc::time_point since;
        bool over = false;
    };

    share_server(device& d, const server_options& chosen, ipc::listener door, unique_fd wake);
    [[nodiscard]] result<void> open_uploads();
    [[nodiscard]] result<void> upload_and_announce(const host_frame& f);
    [[nodiscard]] bool anybody() const;
    // Run on the serving thread, which never blocks on a client.
    void serve();
    void serve_once();
    void let_in();
    void greet(pending_client& p);
    [[nodiscard]] result<void> admit(pending_client& p, const ipc::message& m);
    void listen_to(client_session& c);
    void remove(const client_session& c);

    device& device_;
    const server_options options_;
    ipc::listener door_;
    unique_fd wake_;
    std::atomic<bool> stopping_{false};
    std::vector<source_upload> uploads_;
    frame_store frames_;

    mutable std::mutex mutex_;
    std::condition_variable joined_;
    slab_registry slabs_;
    std::vector<std::shared_ptr<client_session>> clients_;
    server_counts counts_;  // `told`: only of clients that left
    std::uint32_t next_client_ = 0;

    // Used only by the serving thread.
    std::vector<pending_client> pending_;
    ipc::time_point door_shut_until_{};  // set when there was no descriptor for another client
    first_error serving_error_;
    std::thread thread_;
};

}  // namespace faceflow::internal::share
