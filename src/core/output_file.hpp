// SPDX-License-Identifier: Apache-2.0
// A file of records (lines of text) that never loses what was written to it.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/part_file.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

struct output_options {
    std::string token;     // of the part (see core/part_file.hpp); empty: one of its own
    std::stop_token stop;  // for a reader that does not read: what waits for it gives up two seconds after this
};

// Grows as a part beside its target and gets its name on commit, so that a reader never meets half a file and an older file
// stays intact until then (see core/part_file.hpp for what happens to links and to files that others put there).
//
// A target that is a FIFO, a socket or a character device (/dev/full), or one of the process's own streams (/dev/stdout,
// /dev/fd/N), is written directly: opening a FIFO waits for its reader, each record goes out at once, and a stream that is a
// regular file is written where it stands.
//
// Every failure is errc::io and names the file and the system's reason (errc::interrupted: gave up on a reader); after one, all
// later calls return it again. Buffers whole records, 256 KiB of them at most, until flush. Not thread-safe, but sync() may run
// beside all others except commit, keep and discard. Writing to a pipe whose reader is gone raises SIGPIPE, and a file that
// reaches the limit on its size SIGXFSZ: the program must ignore both to get the error instead.
class output_file {
public:
    [[nodiscard]] static result<output_file> open(const std::filesystem::path& target, output_options options = {});

    output_file(output_file&& other) noexcept;
    output_file& operator=(output_file&&) = delete;
    ~output_file();  // without commit, keep or discard: flushes what it can, and leaves the part where it lies

    // A whole record, or several.
    [[nodiscard]] result<void> append(std::string_view records);

    // What is buffered goes to the system: it survives this process, however it ends.
    [[nodiscard]] result<void> flush();

    // What was flushed goes to the disk: it survives a power cut.
    [[nodiscard]] result<void> sync();

    // Flushes, syncs and names the file; gives the name that it got. A second call gives it again. The message of an error says
    // where a finished file is that could not get its name.
    [[nodiscard]] result<std::filesystem::path> commit();

    // After a failure: the whole records that were written get a name (see part_file::keep), which is given; nullopt where
    // there are none, or where they went out directly.
    [[nodiscard]] std::optional<std::filesystem::path> keep();

    // Removes what was written.
    void discard() noexcept;

    [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }

private:
    output_file(std::filesystem::path target, output_options options);
    [[nodiscard]] result<void> open_directly();
    [[nodiscard]] int descriptor() const noexcept { return part_ ? part_->descriptor() : direct_.get(); }
    [[nodiscard]] result<std::size_t> write_some(std::string_view bytes);
    [[nodiscard]] bool wait_for_room();
    [[nodiscard]] tl::unexpected<error> broken(std::string_view what, int reason);
    void cut_to_whole_records() noexcept;

    std::filesystem::path target_;
    output_options options_;
    std::optional<part_file> part_;  // else it is written directly
    unique_fd direct_;
    bool at_once_ = false;    // a reader may be waiting for each record
    bool is_socket_ = false;  // cannot be opened anew without waiting, but written so
    bool waits_ = false;      // in a write that there is no room for
    std::optional<std::chrono::steady_clock::time_point> give_up_;  // on a reader, once it is time to stop
    std::string buffer_;
    std::vector<std::size_t> record_ends_;  // in the buffer
    std::size_t whole_bytes_ = 0;           // of whole records, in the file
    std::optional<error> failure_;          // of the first call that failed
    std::optional<std::filesystem::path> committed_, kept_;
};

// A file that makes sense as a whole alone. Gives the name that it got; after an error nothing of it is left but a finished file
// that could not get its name, which the message tells.
[[nodiscard]] result<std::filesystem::path> write_document(const std::filesystem::path& target, std::string_view text);

}  // namespace faceflow
