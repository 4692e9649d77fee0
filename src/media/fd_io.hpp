// SPDX-License-Identifier: Apache-2.0
// Lets libav read from our own file descriptor: file names are not interpreted (a colon or a % in a path is literal),
// and a silent pipe can be abandoned.
#pragma once

#include <memory>
#include <string>

#include "media/ffmpeg.hpp"
#include "media/io_guard.hpp"

namespace faceflow::internal::media {

class fd_io {
public:
    // "-" is standard input. For files and named pipes; the guard must outlive this. Readers see a file as beginning at
    // `from_byte`.
    [[nodiscard]] static result<std::unique_ptr<fd_io>> open(const std::string& path, const io_guard& guard,
                                                             std::int64_t from_byte = 0);
    fd_io(const fd_io&) = delete;
    fd_io& operator=(const fd_io&) = delete;
    ~fd_io();

    [[nodiscard]] AVIOContext* context() const noexcept { return context_.get(); }
    [[nodiscard]] bool seekable() const noexcept { return size_ >= 0; }

private:
    fd_io(int fd, bool owned, const io_guard& guard, std::int64_t from_byte);
    static int read(void* self, std::uint8_t* buffer, int size) noexcept;
    static std::int64_t seek(void* self, std::int64_t offset, int whence) noexcept;

    int fd_;
    bool owned_;
    std::int64_t from_byte_;
    std::int64_t size_ = -1;  // of a regular file
    const io_guard& guard_;
    io_ptr context_;
};

}  // namespace faceflow::internal::media
