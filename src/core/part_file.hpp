// SPDX-License-Identifier: Apache-2.0
// A file that grows under a name of its own beside its target, and gets the target's name at the end.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow {

// 16 hexadecimal digits that nobody can foresee. The parts of one run share them, so that they are found together.
[[nodiscard]] std::string make_part_token();

// "cannot WHAT FILE: the system's words; what to do", for an errno.
[[nodiscard]] std::string explain_io(std::string_view what, const std::filesystem::path& file, int reason);

// Of `.faces.ndjson.part-0123456789abcdef`: the name that the file is to get, and its token. Nullopt for other names.
struct part_name {
    std::string name, token;
};
[[nodiscard]] std::optional<part_name> parse_part_name(const std::string& file_name);

// A name beside `target` that is free when asked for: faces-WORD.ndjson, then faces-WORD-2.ndjson and so on; without a word
// faces-2.ndjson, faces-3.ndjson.
[[nodiscard]] std::filesystem::path free_name_beside(const std::filesystem::path& target, std::string_view word);

// Renames to `target`, or where something of that name is there to a free name beside it (see above). Nothing is replaced.
// Gives the name that it got; errc::io where it could get none, and the file is where it was.
[[nodiscard]] result<std::filesystem::path> rename_beside(const std::filesystem::path& file,
                                                          const std::filesystem::path& target, std::string_view word);

// errc::invalid_argument when `target`, which is about to be written, is the same regular file as `input`, by whatever names and
// links.
[[nodiscard]] result<void> refuse_input(const std::filesystem::path& target, const std::filesystem::path& input);

// What was written to a descriptor goes to the disk (fdatasync). An errno, or 0, also where there is no disk to sync (pipes).
[[nodiscard]] int sync_to_disk(int descriptor) noexcept;

// Makes names in a folder last through a power cut, as far as its file system can.
void sync_folder(const std::filesystem::path& folder) noexcept;

// Created exclusively (O_EXCL, O_NOFOLLOW) in the target's folder under a name that cannot be foreseen, so that nobody who may
// write there can have planted a file or a link for it; open for reading and writing; locked (flock) for as long as it is
// open, so that others can tell a file in work from one whose program was killed. It gets the permissions of a
// regular file of this user's that it replaces. A link at the target is replaced, not followed.
//
// The destructor leaves a part with bytes in it where it lies, for `faceflow recover`, and removes an empty one. Not thread-safe;
// the descriptor may be used by other threads meanwhile. Every error is errc::io, with the system's reason and what to do.
class part_file {
public:
    [[nodiscard]] static result<part_file> create(const std::filesystem::path& target, const std::string& token);
    // One that a killed program left, for `target`. errc::unavailable when another program still writes it; errc::unsupported
    // when it is no regular file of this user's.
    [[nodiscard]] static result<part_file> adopt(const std::filesystem::path& part);

    part_file(part_file&& o) noexcept = default;
    part_file& operator=(part_file&&) = delete;
    ~part_file();

    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }

    // To the disk, then to its name: replaces what was there when the part was created. What somebody else put there meanwhile
    // stays, and this gets a name beside it. Gives the name that it got. After an error the file is where it was, under
    // path().
    [[nodiscard]] result<std::filesystem::path> settle();

    // Takes the other part's content for its own, in one step: whatever is killed, one of the two is there whole. errc::io and both
    // are as they were.
    [[nodiscard]] result<void> become(part_file other);

    // Gives a name that replaces nothing: `wanted`, or a free one beside it (see free_name_beside). Gives the name that the file has
    // then, which is path() where nothing worked.
    [[nodiscard]] std::filesystem::path name_beside(const std::filesystem::path& wanted, std::string_view word);
    // The same for one that is not whole: the target's name, or with "unfinished" in it.
    [[nodiscard]] std::filesystem::path keep() { return name_beside(target_, "unfinished"); }

    void discard() noexcept;

private:
    part_file(std::filesystem::path target, std::filesystem::path path, unique_fd descriptor);
    [[nodiscard]] bool target_is_as_it_was() const noexcept;

    std::filesystem::path target_, path_;  // the path is empty once it has a name or is gone
    unique_fd descriptor_;
    unique_fd replaced_;  // what is there to be replaced; held, so that its number goes to no other file
};

}  // namespace faceflow
