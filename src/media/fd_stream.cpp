// SPDX-License-Identifier: Apache-2.0
#include "media/fd_stream.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace faceflow::internal::media {

namespace {
constexpr int stream_buffer_bytes = 64 * 1024;
}  // namespace

std::unique_ptr<fd_stream> fd_stream::open(int descriptor, fd_access access, std::int64_t limit) {
    std::unique_ptr<fd_stream> made(new fd_stream(descriptor, access, limit));
    return made->context_ ? std::move(made) : nullptr;
}

fd_stream::fd_stream(int descriptor, fd_access access, std::int64_t limit) : descriptor_(descriptor), limit_(limit) {
    auto* buffer = static_cast<unsigned char*>(av_malloc(stream_buffer_bytes));
    if (!buffer) return;
    const bool writes = access == fd_access::write;
    context_.reset(avio_alloc_context(buffer, stream_buffer_bytes, writes ? 1 : 0, this,
                                      writes ? nullptr : &fd_stream::read, writes ? &fd_stream::write : nullptr,
                                      &fd_stream::seek));
    if (!context_) av_free(buffer);
}

int fd_stream::flush() noexcept {
    avio_flush(context_.get());
    return failure_ != 0 ? failure_ : context_->error;
}

int fd_stream::read(void* self, std::uint8_t* buffer, int size) noexcept {
    auto& s = *static_cast<fd_stream*>(self);
    const std::int64_t ahead = std::min<std::int64_t>(size, s.limit_ - s.position_);
    if (ahead <= 0) return AVERROR_EOF;
    for (;;) {
        const ssize_t got = ::pread(s.descriptor_, buffer, static_cast<std::size_t>(ahead), s.position_);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return s.failure_ = AVERROR(errno);
        s.position_ += got;
        return got == 0 ? AVERROR_EOF : static_cast<int>(got);
    }
}

int fd_stream::write(void* self, std::uint8_t* bytes, int size) noexcept {
    auto& s = *static_cast<fd_stream*>(self);
    // Data after a gap is useless to a reader: the first failure ends writing.
    if (s.failure_ != 0) return s.failure_;
    for (int done = 0; done < size;) {
        const ssize_t some = ::pwrite(s.descriptor_, bytes + done, static_cast<std::size_t>(size - done), s.position_);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return s.failure_ = AVERROR(some < 0 ? errno : EIO);
        done += static_cast<int>(some);
        s.position_ += some;
    }
    return size;
}

std::int64_t fd_stream::seek(void* self, std::int64_t offset, int whence) noexcept {
    auto& s = *static_cast<fd_stream*>(self);
    struct stat about {};
    switch (whence & ~AVSEEK_FORCE) {
        case SEEK_SET: return s.position_ = offset;
        case SEEK_CUR: return s.position_ += offset;
        case SEEK_END:
        case AVSEEK_SIZE:
            if (::fstat(s.descriptor_, &about) != 0) return AVERROR(errno);
            if ((whence & AVSEEK_SIZE) != 0) return std::min<std::int64_t>(about.st_size, s.limit_);
            return s.position_ = std::min<std::int64_t>(about.st_size, s.limit_) + offset;
        default: return AVERROR(EINVAL);
    }
}

}  // namespace faceflow::internal::media
