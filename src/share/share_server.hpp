// SPDX-License-Identifier: Apache-2.0
// Frames for other programs: each is put once into memory that clients have mapped, and announced to all of them.
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

namespace faceflow::share {

inline constexpr std::size_t default_slots = 64;

struct server_options {
    std::filesystem::path socket;  // errors of listener::open
    // Frames of one size that are kept at most. Each source works in one; the others are promised to clients as leases, each to
    // one client: whatever a client does, it takes no slot from another.
    std::size_t slots = default_slots;
    std::uint32_t sources = 1;
    bool pinned = true;
};

struct server_counts {
    std::uint64_t frames = 0;                     // published
    std::uint64_t unseen = 0;                     // while no client was connected: not even copied
    std::uint64_t clients = 0;                    // that were welcomed, ever
    std::uint64_t connected = 0;                  // now
    std::uint64_t refused = 0;                    // another version, or no slots left
    std::uint64_t malformed = 0;                  // sent what makes no sense, or nothing at all
    std::uint64_t taken_back = 0;                 // leases of clients that left while they held them
    client_counts told;                           // of all clients, those that left included
    std::map<std::string, std::uint64_t> errors;  // frames that could not be published, by reason
};

// Thread-safe, but each source's frames are published by one thread at a time. Clients come, go, stop or die at any moment
// without holding up a source.
class share_server {
public:
    // Host or emulated memory only: errc::unsupported for cuda.
    [[nodiscard]] static result<std::unique_ptr<share_server>> open(device& d, const server_options& chosen);
    // Tells clients that it is over. What they hold stays readable to them.
    ~share_server();
    share_server(const share_server&) = delete;

    // Returns once the frame is announced; on devices with memory of their own that is after a host sync. An error is about this
    // frame (counted by its reason); the server goes on.
    [[nodiscard]] result<void> publish(const host_frame& f);

    // True when a client is connected; false when none has by the deadline.
    [[nodiscard]] bool wait_for_client(std::chrono::steady_clock::time_point deadline);

    [[nodiscard]] server_counts counts() const;
    [[nodiscard]] const std::filesystem::path& socket() const noexcept { return door_.path(); }
    // An error once connections are not looked after any more: nobody comes in then, and nobody is seen to leave.
    [[nodiscard]] result<void> health() const { return serving_error_.get(); }

private:
    struct source_upload {  // of a source
        std::unique_ptr<stream> up;
        std::unique_ptr<event> ready;
    };
    struct pending_client {  // has connected, but not said all of its greeting yet
        ipc::channel from;
        ipc::time_point since;
        bool over = false;
    };

    share_server(device& d, const server_options& chosen, ipc::listener door, unique_fd wake);
    [[nodiscard]] result<void> open_uploads();
    [[nodiscard]] result<void> upload_and_announce(const host_frame& f);
    [[nodiscard]] bool anybody() const;
    // On the thread that looks after connections, which waits for none of them.
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
    server_counts counts_;  // `told`: of those that left
    std::uint32_t next_client_ = 0;

    // The serving thread's own.
    std::vector<pending_client> pending_;
    ipc::time_point door_shut_until_{};  // there was no descriptor for one more
    first_error serving_error_;
    std::thread thread_;
};

}  // namespace faceflow::share
