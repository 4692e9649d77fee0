// A file that is either there whole or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow {

// Writes to ".name.part-<pid>" beside the target and renames it into place on commit, so that a reader never meets half a
// file and an older file stays intact until then. A symbolic link is followed: what it points to is replaced, and keeps
// its permissions. A target that exists and is no regular file (/dev/full, a FIFO), or is one of the process's own
// streams (/dev/stdout, /dev/fd/N), is written directly; opening a FIFO waits for its reader.
//
// Buffers 256 KiB. Every failure is errc::io and names the file and the system's reason; after one, all later calls
// return it again. Not synced to disk: a power cut may lose what was committed. Not thread-safe. Writing to a pipe whose
// reader is gone raises SIGPIPE, which the program must ignore to get the error instead.
class atomic_file {
public:
    [[nodiscard]] static result<atomic_file> open(const std::filesystem::path& wanted);

    atomic_file(atomic_file&& other) noexcept;
    atomic_file& operator=(atomic_file&&) = delete;
    ~atomic_file();  // without commit: removes what was written

    [[nodiscard]] result<void> append(std::string_view bytes);

    // Writes the rest, closes and renames. A second call does nothing.
    [[nodiscard]] result<void> commit();

private:
    atomic_file(std::filesystem::path target, std::filesystem::path part, int descriptor);

    [[nodiscard]] result<void> write_out(std::string_view bytes);
    [[nodiscard]] result<void> flush();
    [[nodiscard]] result<void> broken(std::string_view what, int reason);
    void discard() noexcept;

    std::filesystem::path target_;
    std::filesystem::path part_;  // empty: the target is written directly
    int descriptor_ = -1;
    bool committed_ = false;
    std::string buffer_;
    std::string failure_;  // of the first call that failed
};

}  // namespace faceflow
