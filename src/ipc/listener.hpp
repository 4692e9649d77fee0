// SPDX-License-Identifier: Apache-2.0
// Where processes of one user find each other: a Unix socket with a name.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"
#include "ipc/channel.hpp"

namespace faceflow::ipc {

// A directory that only this user can enter: $XDG_RUNTIME_DIR where that is one, else /tmp/faceflow-<uid>, made when it is not there.
// Where somebody has put something else of that name, faceflow-<uid>-2 to -16 are tried, and at last one in this user's cache.
// errc::io when none of them will do.
struct runtime_place {
    std::filesystem::path path;
    std::string note;  // for the user, when it is not where one would look: why
};
// `holding`: the name of a socket that is looked for: a directory that has it comes before others. `temporary`: instead of /tmp.
[[nodiscard]] result<runtime_place> find_runtime_directory(const std::filesystem::path& holding = {},
                                                           const std::filesystem::path& temporary = "/tmp");

// {} for a directory, no symbolic link, of this user with mode 0700.
[[nodiscard]] result<void> require_private(const std::filesystem::path& directory);

// A bound socket, whose file goes with it. Both ends look who the other is, and only the same user will do.
class listener {
public:
    // The socket's directory passes require_private. A file that a dead listener left is swept away first.
    // errc::invalid_argument for a path that is too long for a socket (107 bytes) or where somebody listens already.
    [[nodiscard]] static result<listener> open(const std::filesystem::path& path);
    listener(listener&&) noexcept = default;
    listener& operator=(listener&&) = delete;
    ~listener();  // removes the file, if it is still this listener's

    // The next connection of this user; those of others are closed. errc::timeout, errc::interrupted after stop(),
    // errc::unavailable when until then there was no descriptor or no memory for it: the next call tries again.
    [[nodiscard]] result<channel> accept(time_point deadline);
    // Makes this accept and all later ones return. From any thread.
    void stop() noexcept;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    // Becomes readable when somebody connects; for poll.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

private:
    listener(std::filesystem::path path, unique_fd socket, unique_fd stopped, dev_t device, ino_t file)
        : path_(std::move(path)),
          socket_(std::move(socket)),
          stopped_(std::move(stopped)),
          device_(device),
          file_(file) {}
    // A connection of this user's; empty when there was none, or another user's.
    [[nodiscard]] result<unique_fd> take_connection();

    std::filesystem::path path_;
    unique_fd socket_, stopped_;
    dev_t device_;
    ino_t file_;
};

// Connects to the listener at `path`. errc::not_found when nobody listens there (a file that a dead one left is removed),
// errc::unavailable when another user does, errc::timeout when its queue stays full.
[[nodiscard]] result<channel> connect_to(const std::filesystem::path& path, time_point deadline);

}  // namespace faceflow::ipc
