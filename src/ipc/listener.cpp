// SPDX-License-Identifier: Apache-2.0
#include "ipc/listener.hpp"

#include "core/try.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace faceflow::internal::ipc {
namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;
constexpr int backlog = 64;

tl::unexpected<error> failed(const char* what, const fs::path& path, int reason) {
    return fail(errc::io, fmt::format("cannot {} '{}': {}", what, path.string(), std::strerror(reason)));
}

result<sockaddr_un> address_of(const fs::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& name = path.native();
    if (name.empty() || name.size() >= sizeof(address.sun_path)) {
        return fail(
            errc::invalid_argument,
            fmt::format("a socket's path has 1 to {} bytes, not {} ('{}'); set XDG_RUNTIME_DIR to a shorter one",
                        sizeof(address.sun_path) - 1, name.size(), name));
    }
    std::copy(name.begin(), name.end(), address.sun_path);
    return address;
}

unique_fd new_socket() {
    return unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// 0 or errno.
int try_connect(int socket, const sockaddr_un& address) {
    return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
}

// Serialises processes that remove or create sockets in a directory: a socket that is bound but does not listen yet
// looks dead.
result<unique_fd> lock_directory_of(const fs::path& path) {
    const fs::path directory = path.parent_path();
    FACEFLOW_TRY(require_private(directory));
    unique_fd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!lock) return failed("open", directory, errno);
    const auto deadline = clock::now() + std::chrono::seconds(2);
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return failed("lock", directory, errno);
        if (clock::now() >= deadline) {
            return fail(errc::timeout, fmt::format("another process keeps '{}' locked; look for a stopped faceflow",
                                                   directory.string()));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return lock;
}

// Call it with the directory locked: removes a socket without a listener. Returns 0 or the errno of connecting.
int sweep(const fs::path& path, const sockaddr_un& address) {
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) != 0) return errno;
    if (!S_ISSOCK(facts.st_mode) || facts.st_uid != ::geteuid()) return EEXIST;
    const unique_fd probe = new_socket();
    if (!probe) return errno;
    const int reason = try_connect(probe.get(), address);
    if (reason == ECONNREFUSED) ::unlink(path.c_str());
    return reason;
}

std::optional<fs::path> absolute_from(const char* variable) {
    const char* const value = std::getenv(variable);
    if (value == nullptr || *value != '/') return std::nullopt;
    return value;
}

bool same_user(const unique_fd& connection) {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    return ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 &&
           credentials.uid == ::geteuid();
}

}  // namespace

result<void> require_private(const fs::path& directory) {
    struct stat facts {};
    if (::lstat(directory.c_str(), &facts) != 0) return failed("look at", directory, errno);
    if (S_ISDIR(facts.st_mode) && facts.st_uid == ::geteuid() && (facts.st_mode & 07777 & ~S_ISGID) == 0700) return {};
    return fail(errc::io,
                fmt::format("'{}' is not a directory that only this user can enter (mode 0700), so sockets in it are "
                            "not safe; remove it, or set XDG_RUNTIME_DIR to one that is",
                            directory.string()));
}

result<runtime_place> find_runtime_directory(const fs::path& holding, const fs::path& temporary) {
    std::vector<fs::path> candidates;
    if (const auto given = absolute_from("XDG_RUNTIME_DIR"); given && require_private(*given))
        candidates.push_back(*given);
    const bool given = !candidates.empty();
    const fs::path usual = temporary / fmt::format("faceflow-{}", ::geteuid());
    candidates.push_back(usual);
    for (int i = 2; i <= 16; ++i)
        candidates.emplace_back(fmt::format("{}-{}", usual.string(), i));
    // Only this user can create files there.
    if (const auto cache = absolute_from("XDG_CACHE_HOME")) candidates.push_back(*cache / "faceflow-run");
    if (const auto home = absolute_from("HOME")) candidates.push_back(*home / ".cache/faceflow-run");
    std::error_code ec;
    for (const fs::path& c : candidates) {
        if (!holding.empty() && require_private(c) && fs::exists(c / holding, ec)) return runtime_place{c, {}};
    }
    if (given) return runtime_place{candidates.front(), {}};
    std::optional<error> wrong;
    for (const fs::path& c : candidates) {
        if (c.parent_path() != temporary) fs::create_directories(c.parent_path(), ec);
        const int reason = ::mkdir(c.c_str(), 0700) != 0 ? errno : 0;
        auto safe = reason == 0 || reason == EEXIST ? require_private(c) : result<void>(failed("make", c, reason));
        if (safe)
            return runtime_place{c, wrong ? fmt::format("sockets are in '{}': {}", c.string(), wrong->message) : ""};
        if (!wrong) wrong = std::move(safe.error());
    }
    return tl::unexpected(std::move(*wrong));
}

result<listener> listener::open(const fs::path& path) {
    FACEFLOW_ASSIGN(const auto address, address_of(path));
    FACEFLOW_ASSIGN(const auto lock, lock_directory_of(path));
    unique_fd socket = new_socket(), stopped(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!socket || !stopped) return failed("make a socket for", path, errno);
    const int there = sweep(path, address);
    if (there != ENOENT && there != ECONNREFUSED) {
        return fail(errc::invalid_argument,
                    fmt::format("'{}' is taken by {}; choose another name", path.string(),
                                there == 0 || there == EAGAIN ? "a process that listens there" : "another file"));
    }
    struct stat facts {};
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::lstat(path.c_str(), &facts) != 0 || ::listen(socket.get(), backlog) != 0) {
        return failed("listen at", path, errno);
    }
    return listener(path, std::move(socket), std::move(stopped), facts.st_dev, facts.st_ino);
}

listener::~listener() {
    struct stat facts {};
    if (socket_ && ::lstat(path_.c_str(), &facts) == 0 && facts.st_dev == device_ && facts.st_ino == file_)
        ::unlink(path_.c_str());
}

void listener::stop() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t full = ::write(stopped_.get(), &one, sizeof(one));
}

result<unique_fd> listener::take_connection() {
    unique_fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) return same_user(connection) ? std::move(connection) : unique_fd();
    // The peer may have gone, or a signal interrupted the call.
    if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return unique_fd();
    const bool no_descriptor = errno == EMFILE || errno == ENFILE;
    if (no_descriptor || errno == ENOBUFS || errno == ENOMEM) {
        return fail(errc::unavailable,
                    fmt::format("cannot accept a connection at '{}' now: {}{}", path_.string(), std::strerror(errno),
                                no_descriptor ? "; raise the limit of open files (ulimit -n)" : ""));
    }
    return failed("accept a connection at", path_, errno);
}

result<channel> listener::accept(time_point deadline) {
    std::optional<error> short_of;  // why the last connection could not be accepted: no descriptor, or no memory
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            std::clamp<clock::duration>(deadline - clock::now(), clock::duration::zero(), std::chrono::hours(1)));
        std::array<pollfd, 2> waiting{pollfd{socket_.get(), POLLIN, 0}, pollfd{stopped_.get(), POLLIN, 0}};
        ::poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
        if (waiting[1].revents != 0)
            return fail(errc::interrupted, fmt::format("listening at '{}' was stopped", path_.string()));
        if (waiting[0].revents != 0) {
            auto connection = take_connection();
            const bool later = !connection && connection.error().code == errc::unavailable && clock::now() < deadline;
            if (!connection && !later) return tl::unexpected(std::move(connection.error()));
            if (connection && *connection) return channel::adopt(std::move(*connection));
            // The connection stays in the queue: an immediate retry would fail again.
            if (later) {
                short_of = std::move(connection.error());
                ::poll(&waiting[1], 1, 20);
            }
        }
        if (clock::now() >= deadline && short_of) return tl::unexpected(std::move(*short_of));
        if (clock::now() >= deadline)
            return fail(errc::timeout, fmt::format("nobody connected to '{}' in time", path_.string()));
    }
}

result<channel> connect_to(const fs::path& path, time_point deadline) {
    FACEFLOW_ASSIGN(const auto address, address_of(path));
    unique_fd socket = new_socket();
    if (!socket) return failed("make a socket for", path, errno);
    int reason = try_connect(socket.get(), address);
    // The listener's queue is full.
    while ((reason == EAGAIN || reason == EINTR) && clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        reason = try_connect(socket.get(), address);
    }
    if (reason == EAGAIN)
        return fail(errc::timeout, fmt::format("the process that listens at '{}' does not answer", path.string()));
    if (reason == ECONNREFUSED) {
        if (const auto lock = lock_directory_of(path)) sweep(path, address);
    }
    if (reason == ECONNREFUSED || reason == ENOENT)
        return fail(errc::not_found, fmt::format("no process listens at '{}'; start it first", path.string()));
    if (reason != 0) return failed("connect to", path, reason);
    if (!same_user(socket)) {
        return fail(
            errc::unavailable,
            fmt::format("the process that listens at '{}' is another user's: not connecting to it", path.string()));
    }
    ::fcntl(socket.get(), F_SETFL, 0);
    return channel::adopt(std::move(socket));
}

}  // namespace faceflow::internal::ipc
