// SPDX-License-Identifier: Apache-2.0
// A file that grows under its own name beside its target and gets the target's name at the end.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal {

// 16 unpredictable hexadecimal digits. The parts of one run share them, so that they are found together.
[[nodiscard]] std::string make_part_token();

// The message "cannot WHAT FILE: the system's reason; what to do" for an errno.
[[nodiscard]] std::string explain_io(std::string_view what, const std::filesystem::path& file, int reason);

// Parses `.faces.ndjson.part-0123456789abcdef` into the file's final name and its token. Nullopt for other names.
struct part_name {
    std::string name, token;
};
[[nodiscard]] std::optional<part_name> parse_part_name(const std::string& file_name);

// A name beside `target` that is free at the time of the call: faces-WORD.ndjson, then faces-WORD-2.ndjson and so on;
// without a word faces-2.ndjson, faces-3.ndjson.
[[nodiscard]] std::filesystem::path free_name_beside(const std::filesystem::path& target, std::string_view word);

// Renames to `target`, or, if that name is taken, to a free name beside it (see above). Never replaces a file. Returns
// the new name; on errc::io the file keeps its old name.
[[nodiscard]] result<std::filesystem::path> rename_beside(const std::filesystem::path& file,
                                                          const std::filesystem::path& target, std::string_view word);

// errc::invalid_argument when `target`, which is about to be written, is the same regular file as `input`, through
// whatever names and links.
[[nodiscard]] result<void> refuse_input(const std::filesystem::path& target, const std::filesystem::path& input);

// Syncs what was written to a descriptor to the disk (fdatasync). Returns an errno, or 0; also 0 where there is no disk
// to sync (pipes).
[[nodiscard]] int sync_to_disk(int descriptor) noexcept;

// Makes a folder's file names survive a power cut, as far as its file system can.
void sync_folder(const std::filesystem::path& folder) noexcept;

// Created exclusively (O_EXCL, O_NOFOLLOW) in the target's folder under an unpredictable name, so that other users with
// write access cannot plant a file or link for it. Open for reading and writing, and locked (flock) while it is open,
// so that other processes can distinguish a file in use from that of a killed program. It gets the permissions of a
// regular file of this user that it replaces. A link at the target is replaced, not followed.
//
// The destructor leaves a non-empty part in place, for `faceflow recover`, and removes an empty one. Not thread-safe;
// other threads may use the descriptor meanwhile. Every error is errc::io with the system's reason and what to do.
class part_file {
public:
    [[nodiscard]] static result<part_file> create(const std::filesystem::path& target, const std::string& token);
    // Opens the part that a killed program left. errc::unavailable when another program still writes it;
    // errc::unsupported unless it is a regular file of this user.
    [[nodiscard]] static result<part_file> adopt(const std::filesystem::path& part);

    part_file(part_file&& o) noexcept = default;
    part_file& operator=(part_file&&) = delete;
    ~part_file();

    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }

    // Syncs the file to the disk and renames it to the target, replacing the file that was there when the part was
    // created. If another program has put a file there since, that file stays and this one gets a name beside it.
    // Returns the final name. After an error the file is still at path().
    [[nodiscard]] result<std::filesystem::path> settle();

    // Replaces this part's content by the other's in one step: if the process is killed, one of the two is complete.
    // After errc::io both are unchanged.
    [[nodiscard]] result<void> become(part_file other);

    // Renames the file without replacing any: to `wanted`, or a free name beside it (see free_name_beside). Returns its
    // name afterwards, which is path() if no rename succeeded.
    [[nodiscard]] std::filesystem::path name_beside(const std::filesystem::path& wanted, std::string_view word);
    // The same for an incomplete file: to the target's name, or one with "unfinished" in it.
    [[nodiscard]] std::filesystem::path keep() { return name_beside(target_, "unfinished"); }

    void discard() noexcept;

private:
    part_file(std::filesystem::path target, std::filesystem::path path, unique_fd descriptor);
    [[nodiscard]] bool target_is_as_it_was() const noexcept;

    std::filesystem::path target_, path_;  // path_ is empty once the file is renamed or removed
    unique_fd descriptor_;
    unique_fd replaced_;  // the file to replace; kept open, so that its inode number is not reused
};

}  // namespace faceflow::internal
