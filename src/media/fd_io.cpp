// SPDX-License-Identifier: Apache-2.0
#include "media/fd_io.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace faceflow::internal::media {

namespace {
constexpr int buffer_bytes = 64 * 1024;
constexpr int poll_ms = 50;  // how often interrupts are checked
}  // namespace

result<std::unique_ptr<fd_io>> fd_io::open(const std::string& path, const io_guard& guard, std::int64_t from_byte) {
    const bool standard_input = path == "-";
    // Non-blocking, so that opening a named pipe does not wait for its writer; read() waits, and can be interrupted.
    const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        const int code = errno;
        const errc kind = code == ENOENT ? errc::not_found : errc::io;
        return fail(kind, "cannot open " + path + ": " + std::generic_category().message(code));
    }
    std::unique_ptr<fd_io> io(new fd_io(fd, !standard_input, guard, from_byte));
    if (!io->context_) return fail(errc::out_of_memory, "no memory to read " + path);
    return io;
}

fd_io::fd_io(int fd, bool owned, const io_guard& guard, std::int64_t from_byte)
    : fd_(fd),
      owned_(owned),
      from_byte_(from_byte),
      guard_(guard) {
    struct stat about {};
    if (fstat(fd_, &about) == 0 && S_ISREG(about.st_mode)) size_ = about.st_size - from_byte_;
    if (from_byte_ > 0) ::lseek(fd_, from_byte_, SEEK_SET);
    auto* buffer = static_cast<unsigned char*>(av_malloc(buffer_bytes));
    if (!buffer) return;
    context_.reset(
        avio_alloc_context(buffer, buffer_bytes, 0, this, &fd_io::read, nullptr, seekable() ? &fd_io::seek : nullptr));
    if (!context_) av_free(buffer);
}

fd_io::~fd_io() {
    if (owned_) ::close(fd_);
}

int fd_io::read(void* self, std::uint8_t* buffer, int size) noexcept {
    auto& io = *static_cast<fd_io*>(self);
    for (;;) {
        if (io.guard_.give_up()) return AVERROR_EXIT;
        if (!io.seekable()) {
            pollfd waiting{io.fd_, POLLIN, 0};
            const int ready = ::poll(&waiting, 1, poll_ms);
            if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        }
        const ssize_t got = ::read(io.fd_, buffer, static_cast<std::size_t>(size));
        if (got > 0) return static_cast<int>(got);
        if (got == 0) return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN) return AVERROR(errno);
    }
}

std::int64_t fd_io::seek(void* self, std::int64_t offset, int whence) noexcept {
    const auto& io = *static_cast<fd_io*>(self);
    if (whence == AVSEEK_SIZE) return io.size_;
    const int from = whence & ~AVSEEK_FORCE;
    const off_t position = ::lseek(io.fd_, from == SEEK_SET ? av_sat_add64(offset, io.from_byte_) : offset, from);
    return position < 0 ? AVERROR(errno) : position - io.from_byte_;
}

}  // namespace faceflow::internal::media
