// SPDX-License-Identifier: Apache-2.0
// A named Unix socket through which processes of one user connect.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"
#include "ipc/channel.hpp"

namespace faceflow::internal::ipc {

// A directory that only this user can enter: $XDG_RUNTIME_DIR if it is one, else /tmp/faceflow-<uid>, which is created.
// If another user has taken that name, tries faceflow-<uid>-2 to -16, and last a directory in this user's cache.
// errc::io when none is usable.
struct runtime_place {
    std::filesystem::path path;
    std::string note;  // for the user: why it is not the expected directory; may be empty
};
// `holding`: the name of a socket; a directory that contains it is preferred. `temporary`: replaces /tmp.
[[nodiscard]] result<runtime_place> find_runtime_directory(const std::filesystem::path& holding = {},
                                                           const std::filesystem::path& temporary = "/tmp");

// Succeeds for a directory (not a symbolic link) of this user with mode 0700.
[[nodiscard]] result<void> require_private(const std::filesystem::path& directory);

// A bound socket; its file is removed with it. Both ends check the other's user and accept only their own.
class listener {
public:
    // The socket's directory must pass require_private. A socket file of a dead listener is removed first.
    // errc::invalid_argument if the path is too long for a socket (107 bytes) or already has a listener.
    [[nodiscard]] static result<listener> open(const std::filesystem::path& path);
    listener(listener&&) noexcept = default;
    listener& operator=(listener&&) = delete;
    ~listener();  // removes the file if it is still this listener's

    // Accepts the next connection of this user; closes those of others. errc::timeout, errc::interrupted after stop(),
    // errc::unavailable if there was no descriptor or memory for a connection until the deadline: the next call tries
    // again.
    [[nodiscard]] result<channel> accept(time_point deadline);
    // Makes the current accept and all later ones return. Any thread.
    void stop() noexcept;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    // Becomes readable when a client connects; for poll().
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

private:
    listener(std::filesystem::path path, unique_fd socket, unique_fd stopped, dev_t device, ino_t file)
        : path_(std::move(path)),
          socket_(std::move(socket)),
          stopped_(std::move(stopped)),
          device_(device),
          file_(file) {}
    // A connection of this user; empty if there was none, or one of another user.
    [[nodiscard]] result<unique_fd> take_connection();

    std::filesystem::path path_;
    unique_fd socket_, stopped_;
    dev_t device_;
    ino_t file_;
};

// Connects to the listener at `path`. errc::not_found when there is no listener (a dead one's file is removed),
// errc::unavailable when it is another user's, errc::timeout when its queue stays full.
[[nodiscard]] result<channel> connect_to(const std::filesystem::path& path, time_point deadline);

}  // namespace faceflow::internal::ipc
