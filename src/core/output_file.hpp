// SPDX-License-Identifier: Apache-2.0
// A file of records (lines of text) that does not lose what was written to it.
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

namespace faceflow::internal {

struct output_options {
    std::string token;     // of the part (see core/part_file.hpp); empty: a new one
    std::stop_token stop;  // for readers that do not read: blocked writes give up two seconds after this
};

// Grows as a part beside its target and is renamed on commit, so that a reader never sees half a file and an older file
// stays intact until then (see core/part_file.hpp for links and for files that others put there).
//
// A target that is a FIFO, a socket or a character device (/dev/full), or one of the process's own streams
// (/dev/stdout, /dev/fd/N), is written directly: opening a FIFO waits for its reader, each record is written at once,
// and a stream that is a regular file is written at its current position.
//
// Every failure is errc::io and names the file and the system's reason (errc::interrupted: gave up on a reader); all
// later calls return the same error. Buffers whole records, at most 256 KiB, until flush. Not thread-safe, except that
// sync() may run concurrently with all calls but commit, keep and discard. Writing to a pipe without a reader raises
// SIGPIPE, and exceeding the file size limit raises SIGXFSZ: the program must ignore both to get the error instead.
class output_file {
public:
    [[nodiscard]] static result<output_file> open(const std::filesystem::path& target, output_options options = {});

    output_file(output_file&& other) noexcept;
    output_file& operator=(output_file&&) = delete;
    ~output_file();  // without commit, keep or discard: flushes what it can and leaves the part in place

    // Appends one or more whole records.
    [[nodiscard]] result<void> append(std::string_view records);

    // Passes buffered records to the system: they survive this process, however it ends.
    [[nodiscard]] result<void> flush();

    // Syncs what was flushed to the disk: it survives a power cut.
    [[nodiscard]] result<void> sync();

    // Flushes, syncs and renames the file; returns its final name. A second call returns it again. If the file is
    // finished but could not be renamed, the error says where it is.
    [[nodiscard]] result<std::filesystem::path> commit();

    // After a failure: cuts the file to its whole records, renames it (see part_file::keep) and returns the name;
    // nullopt if there are none, or if they were written directly.
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
    std::optional<part_file> part_;  // empty: written directly
    unique_fd direct_;
    bool at_once_ = false;    // write each record at once: a reader may be waiting
    bool is_socket_ = false;  // cannot be reopened non-blocking; written with non-blocking calls
    bool waits_ = false;      // a write without room blocks
    std::optional<std::chrono::steady_clock::time_point> give_up_;  // when to give up on a reader after stop
    std::string buffer_;
    std::vector<std::size_t> record_ends_;  // offsets within the buffer
    std::size_t whole_bytes_ = 0;           // of whole records in the file
    std::optional<error> failure_;          // of the first call that failed
    std::optional<std::filesystem::path> committed_, kept_;
};

// Writes a file that is only useful as a whole. Returns its final name. After an error nothing is left, except a
// finished file that could not be renamed; the message then says where it is.
[[nodiscard]] result<std::filesystem::path> write_document(const std::filesystem::path& target, std::string_view text);

}  // namespace faceflow::internal
