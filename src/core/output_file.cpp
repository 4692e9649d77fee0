// SPDX-License-Identifier: Apache-2.0
#include "core/output_file.hpp"

#include "core/try.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

namespace faceflow::internal {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr std::size_t buffer_size = std::size_t{256} << 10;
constexpr auto look_again = 50ms;          // how often to check for stop while a reader does not read
constexpr auto patience_after_stop = 2s;   // for such a reader
constexpr std::size_t pipe_atomic = 4096;  // PIPE_BUF: how much a pipe accepts without blocking once it reports room

// The descriptor of this process that a path refers to: such streams may be regular files, but must not be replaced by
// rename.
std::optional<int> own_stream(const fs::path& target) {
    const std::string text = target.lexically_normal().string();
    if (text == "/dev/stdout") return STDOUT_FILENO;
    if (text == "/dev/stderr") return STDERR_FILENO;
    for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
        int number = -1;
        const char* const end = text.data() + text.size();
        if (text.starts_with(folder) && std::from_chars(text.data() + folder.size(), end, number).ptr == end)
            return number;
    }
    return std::nullopt;
}

// Reopens the stream non-blocking: flags set on a new open file description do not affect others who share the stream.
// Not for a regular file, whose position exists only in the existing description.
unique_fd open_stream(int stream, mode_t kind) {
    // Reopening could make a read-only stream writable: refuse.
    if ((::fcntl(stream, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        errno = EBADF;
        return {};
    }
    if (S_ISFIFO(kind) || S_ISCHR(kind)) {
        const std::string path = "/proc/self/fd/" + std::to_string(stream);
        unique_fd anew(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (anew) return anew;
    }
    return unique_fd(::fcntl(stream, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

result<output_file> output_file::open(const fs::path& target, output_options options) {
    output_file file(target, std::move(options));
    struct stat about {};
    const bool there = ::lstat(target.c_str(), &about) == 0;
    if (there && S_ISBLK(about.st_mode)) {
        return fail(errc::io, fmt::format("cannot write {}: it is a disk; name a file", target.string()));
    }
    if (own_stream(target) ||
        (there && (S_ISFIFO(about.st_mode) || S_ISCHR(about.st_mode) || S_ISSOCK(about.st_mode)))) {
        FACEFLOW_TRY(file.open_directly());
        return file;
    }
    FACEFLOW_ASSIGN(auto part,
                    part_file::create(target, file.options_.token.empty() ? make_part_token() : file.options_.token));
    file.part_.emplace(std::move(part));
    return file;
}

output_file::output_file(fs::path target, output_options options)
    : target_(std::move(target)),
      options_(std::move(options)) {}

output_file::output_file(output_file&& other) noexcept = default;

output_file::~output_file() {
    if (descriptor() >= 0 && !failure_ && !committed_) [[maybe_unused]]
        const auto flushed = flush();
}

result<void> output_file::open_directly() {
    struct stat about {};
    if (const auto own = own_stream(target_)) {
        if (::fstat(*own, &about) == 0) direct_ = open_stream(*own, about.st_mode);
    } else {
        while (!options_.stop.stop_requested()) {
            direct_ = unique_fd(::open(target_.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
            if (direct_ || errno != ENXIO || ::lstat(target_.c_str(), &about) != 0 || !S_ISFIFO(about.st_mode)) break;
            std::this_thread::sleep_for(look_again);  // the FIFO has no reader yet
        }
        if (!direct_ && options_.stop.stop_requested())
            return fail(errc::interrupted, "stopped while waiting for a reader of " + target_.string());
    }
    if (!direct_ || ::fstat(direct_.get(), &about) != 0) return fail(errc::io, explain_io("open", target_, errno));
    at_once_ = !S_ISREG(about.st_mode);
    waits_ = (::fcntl(direct_.get(), F_GETFL) & O_NONBLOCK) == 0;
    is_socket_ = S_ISSOCK(about.st_mode);
    return {};
}

tl::unexpected<error> output_file::broken(std::string_view what, int reason) {
    failure_ = error{errc::io, explain_io(what, target_, reason)};
    return tl::unexpected(*failure_);
}

// False when it is time to give up on a reader that does not read.
bool output_file::wait_for_room() {
    for (;;) {
        pollfd room{direct_.get(), POLLOUT, 0};
        if (::poll(&room, 1, static_cast<int>(look_again.count())) != 0) return true;
        if (!options_.stop.stop_requested()) continue;
        if (!give_up_) give_up_ = steady::now() + patience_after_stop;
        if (steady::now() >= *give_up_) return false;
    }
}

// The number of bytes written; 0: none yet.
result<std::size_t> output_file::write_some(std::string_view bytes) {
    ssize_t written = -1;
    if (at_once_) {
        if (!wait_for_room()) {
            failure_ = error{
                errc::interrupted,
                fmt::format("stopped while nobody read {}: what it had no room for was not written", target_.string())};
            return tl::unexpected(*failure_);
        }
        written = is_socket_ ? ::send(direct_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                             : ::write(direct_.get(), bytes.data(),
                                       waits_ ? std::min(bytes.size(), pipe_atomic) : bytes.size());
    } else {
        written = ::write(descriptor(), bytes.data(), bytes.size());
    }
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    return broken("write", errno);
}

result<void> output_file::flush() {
    if (failure_) return tl::unexpected(*failure_);
    std::size_t done = 0;
    result<void> outcome;
    while (done < buffer_.size()) {
        const auto some = write_some(std::string_view(buffer_).substr(done));
        if (!some) {
            outcome = tl::unexpected(some.error());
            break;
        }
        done += *some;
    }
    const auto end = std::upper_bound(record_ends_.begin(), record_ends_.end(), done);
    if (end != record_ends_.begin()) whole_bytes_ += *std::prev(end);
    buffer_.clear();
    record_ends_.clear();
    return outcome;
}

result<void> output_file::append(std::string_view records) {
    if (failure_) return tl::unexpected(*failure_);
    if (committed_)
        return fail(errc::internal, fmt::format("{} is written to after it was finished", target_.string()));
    if (buffer_.size() + records.size() > buffer_size && !buffer_.empty()) {
        FACEFLOW_TRY(flush());
    }
    buffer_.append(records);
    record_ends_.push_back(buffer_.size());
    return at_once_ || buffer_.size() >= buffer_size ? flush() : result<void>();
}

result<void> output_file::sync() {
    const int code = sync_to_disk(descriptor());
    return code == 0 ? result<void>() : fail(errc::io, explain_io("write to the disk", target_, code));
}

result<fs::path> output_file::commit() {
    if (committed_) return *committed_;
    FACEFLOW_TRY(flush());
    if (part_) {
        auto settled = part_->settle();
        if (!settled) {
            kept_ = part_->keep();
            failure_ =
                error{errc::io, fmt::format("{}; the finished file is {}", settled.error().message, kept_->string())};
            return tl::unexpected(*failure_);
        }
        committed_ = std::move(*settled);
    } else {
        // Network file systems may report errors only at close; pipes have no disk to sync to.
        const int stream = direct_.release();
        if (::close(stream) != 0) return broken("write", errno);
        committed_ = target_;
    }
    return *committed_;
}

void output_file::cut_to_whole_records() noexcept {
    // If even that fails, `faceflow recover` and readers can still go by line breaks.
    [[maybe_unused]] const int cut = ::ftruncate(part_->descriptor(), static_cast<off_t>(whole_bytes_));
}

std::optional<fs::path> output_file::keep() {
    if (!part_ || part_->descriptor() < 0) return kept_;
    if (!failure_) [[maybe_unused]]
        const auto flushed = flush();
    cut_to_whole_records();
    if (whole_bytes_ == 0) {
        discard();
        return std::nullopt;
    }
    kept_ = part_->keep();
    return kept_;
}

void output_file::discard() noexcept {
    buffer_.clear();
    record_ends_.clear();
    if (part_) part_->discard();
    direct_.reset();
}

result<fs::path> write_document(const fs::path& target, std::string_view text) {
    FACEFLOW_ASSIGN(auto file, output_file::open(target));
    auto written = file.append(text);
    if (written) written = file.flush();
    if (!written) {
        file.discard();  // half a document is useless
        return tl::unexpected(std::move(written.error()));
    }
    return file.commit();
}

}  // namespace faceflow::internal
