// SPDX-License-Identifier: Apache-2.0
// Lets libav read or write an open regular file, at a position of its own.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

enum class fd_access { read, write };

// The descriptor is borrowed and outlives this; several streams may use one descriptor, each with its own position
// (pread, pwrite). Use it from one thread at a time.
class fd_stream {
public:
    // Null when out of memory. Reading ends at `limit`, if that is before the file's end.
    [[nodiscard]] static std::unique_ptr<fd_stream> open(int descriptor, fd_access access,
                                                         std::int64_t limit = std::numeric_limits<std::int64_t>::max());
    fd_stream(const fd_stream&) = delete;
    fd_stream& operator=(const fd_stream&) = delete;

    [[nodiscard]] AVIOContext* context() const noexcept { return context_.get(); }

    // The libav error number of the first failed read or write, which libav itself may have ignored, or 0.
    [[nodiscard]] int failure() const noexcept { return failure_; }

    // Writes libav's buffer. Returns the libav error number of any failed write so far, which libav itself may have
    // ignored, or 0.
    [[nodiscard]] int flush() noexcept;

private:
    fd_stream(int descriptor, fd_access access, std::int64_t limit);
    static int read(void* self, std::uint8_t* buffer, int size) noexcept;
    static int write(void* self, std::uint8_t* bytes, int size) noexcept;
    static std::int64_t seek(void* self, std::int64_t offset, int whence) noexcept;

    int descriptor_;
    std::int64_t limit_;
    std::int64_t position_ = 0;
    int failure_ = 0;
    io_ptr context_;
};

}  // namespace faceflow::internal::media
