// SPDX-License-Identifier: Apache-2.0
#include "core/part_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <system_error>
#include <thread>

namespace faceflow::internal {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view part_mark = ".part-";

std::string_view advice(int reason) {
    switch (reason) {
        case ENOSPC:
        case EDQUOT: return "free some space or write elsewhere";
        case EFBIG: return "raise the limit on the size of files (ulimit -f) or write elsewhere";
        case EMFILE: return "raise the limit on open files (ulimit -n)";
        case EACCES:
        case EPERM:
        case EROFS: return "choose a folder that you may write to";
        case ENOENT: return "create the folder first";
        case ENOTDIR: return "a part of the path is not a folder; choose another";
        case EISDIR: return "it is a folder; name a file";
        case EPIPE: return "whatever read it has stopped; keep the reader running";
        default: return "write elsewhere or look at the disk";
    }
}

fs::path folder_of(const fs::path& file) {
    return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

// Renames without replacing anything at `to`. Returns an errno, or 0.
int rename_to_free(const fs::path& from, const fs::path& to) noexcept {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    // The file system lacks such a rename: add a second name, which fails if it is taken, and remove the first.
    if (::link(from.c_str(), to.c_str()) == 0) return ::unlink(from.c_str()) == 0 ? 0 : errno;
    if (errno == EEXIST) return errno;
    struct stat there {};
    if (::lstat(to.c_str(), &there) == 0) return EEXIST;
    return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

// Whether a path refers to the open file.
bool is_at(int descriptor, const fs::path& path) noexcept {
    struct stat open {
    }, there{};
    return ::fstat(descriptor, &open) == 0 && ::lstat(path.c_str(), &there) == 0 && open.st_dev == there.st_dev &&
           open.st_ino == there.st_ino;
}

}  // namespace

std::string make_part_token() {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
        // Even if the number could be predicted, exclusive creation rejects planted names.
        number = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) ^
                 static_cast<std::uint64_t>(::getpid()) << 40;
    }
    return fmt::format("{:016x}", number);
}

std::string explain_io(std::string_view what, const fs::path& file, int reason) {
    return fmt::format("cannot {} {}: {}; {}", what, file.string(), std::generic_category().message(reason),
                       advice(reason));
}

std::optional<part_name> parse_part_name(const std::string& file_name) {
    const auto mark = file_name.rfind(part_mark);
    if (!file_name.starts_with('.') || mark == std::string::npos || mark < 2) return std::nullopt;
    part_name found{file_name.substr(1, mark - 1), file_name.substr(mark + part_mark.size())};
    if (found.token.empty() || found.token.find_first_not_of("0123456789abcdef-") != std::string::npos)
        return std::nullopt;
    return found;
}

fs::path free_name_beside(const fs::path& target, std::string_view word) {
    const std::string stem = target.stem().string(), extension = target.extension().string();
    const std::string start = word.empty() ? stem : fmt::format("{}-{}", stem, word);
    for (int n = word.empty() ? 2 : 1;; ++n) {
        fs::path name =
            target.parent_path() / (n == 1 ? start + extension : fmt::format("{}-{}{}", start, n, extension));
        struct stat there {};
        if (::lstat(name.c_str(), &there) != 0) return name;
    }
}

result<fs::path> rename_beside(const fs::path& file, const fs::path& target, std::string_view word) {
    fs::path name = target;
    int code = rename_to_free(file, name);
    // Another program may take a free name before the rename.
    for (int attempt = 0; code == EEXIST && attempt < 100; ++attempt) {
        name = free_name_beside(target, word);
        code = rename_to_free(file, name);
    }
    if (code != 0) return fail(errc::io, explain_io("give its name to", target, code));
    return name;
}

result<void> refuse_input(const fs::path& target, const fs::path& input) {
    struct stat written {
    }, read{};
    if (::stat(target.c_str(), &written) != 0 || !S_ISREG(written.st_mode)) return {};
    if (::stat(input.c_str(), &read) != 0 || written.st_dev != read.st_dev || written.st_ino != read.st_ino) return {};
    return fail(errc::invalid_argument,
                fmt::format("{} is an input, and would be overwritten; choose another place for what is written",
                            target.string()));
}

int sync_to_disk(int descriptor) noexcept {
    int code = 0;
    do {
        code = ::fdatasync(descriptor) == 0 ? 0 : errno;
    } while (code == EINTR);
    return code == EINVAL || code == EROFS ? 0 : code;
}

void sync_folder(const fs::path& folder) noexcept {
    const unique_fd opened(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Best effort: not every file system can sync a folder.
    if (opened) [[maybe_unused]]
        const int synced = ::fsync(opened.get());
}

result<part_file> part_file::create(const fs::path& target, const std::string& token) {
    struct stat old {};
    if (!target.has_filename() || (::lstat(target.c_str(), &old) == 0 && S_ISDIR(old.st_mode)))
        return fail(errc::io, explain_io("write", target, EISDIR));
    fs::path path = target.parent_path() / ("." + target.filename().string() + std::string(part_mark) + token);
    for (int attempt = 0; attempt < 10; ++attempt) {
        unique_fd opened(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
        if (!opened) return fail(errc::io, explain_io("create", target, errno));
        // A process that looks for dead files may hold the lock briefly. Without locks (some network file systems), a
        // file in use cannot be distinguished from a dead one, with no other effect.
        for (int again = 0; ::flock(opened.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && again < 50;
             ++again)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        // Before it was locked, another process may have taken it for dead and removed it.
        if (is_at(opened.get(), path)) return part_file(target, std::move(path), std::move(opened));
    }
    return fail(errc::io,
                fmt::format("cannot create {}: its unfinished file is removed again and again", target.string()));
}

result<part_file> part_file::adopt(const fs::path& part) {
    const auto names = parse_part_name(part.filename().string());
    if (!names) return fail(errc::unsupported, fmt::format("{} is not an unfinished file of a run", part.string()));
    unique_fd opened(::open(part.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!opened) return fail(errc::io, explain_io("open", part, errno));
    struct stat about {};
    if (::fstat(opened.get(), &about) != 0 || !S_ISREG(about.st_mode))
        return fail(errc::unsupported, fmt::format("{} is not a file; left as it is", part.string()));
    if (about.st_uid != ::geteuid() || about.st_nlink != 1) {
        return fail(errc::unsupported,
                    fmt::format("{} {}; left as it is", part.string(),
                                about.st_nlink != 1 ? "has another name, too" : "belongs to another user"));
    }
    if (::flock(opened.get(), LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EACCES))
        return fail(errc::unavailable, fmt::format("{} is being written by a run that goes on", part.string()));
    return part_file(part.parent_path() / names->name, part, std::move(opened));
}

part_file::part_file(fs::path target, fs::path path, unique_fd descriptor)
    : target_(std::move(target)),
      path_(std::move(path)),
      descriptor_(std::move(descriptor)),
      replaced_(::open(target_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)) {}

part_file::~part_file() {
    struct stat about {};
    if (descriptor_ && !path_.empty() && ::fstat(descriptor_.get(), &about) == 0 && about.st_size == 0) discard();
}

bool part_file::target_is_as_it_was() const noexcept {
    return replaced_ && is_at(replaced_.get(), target_);
}

result<fs::path> part_file::settle() {
    if (const int code = sync_to_disk(descriptor_.get()); code != 0)
        return fail(errc::io, explain_io("write to the disk", target_, code));
    fs::path got = target_;
    // Another program may still create a file between this check and the rename; that file is replaced.
    struct stat old {};
    const bool replaces = target_is_as_it_was() && ::fstat(replaced_.get(), &old) == 0;
    // Best effort: a file system without permissions has none to preserve.
    if (replaces && S_ISREG(old.st_mode) && old.st_uid == ::geteuid()) [[maybe_unused]]
        const int kept = ::fchmod(descriptor_.get(), old.st_mode & 0777);
    // A file that must not be replaced (another user's, in a folder like /tmp) stays, and this one gets a name beside
    // it.
    if (!replaces || ::rename(path_.c_str(), target_.c_str()) != 0) {
        auto named = rename_beside(path_, target_, "");
        if (!named) return named;
        got = std::move(*named);
    }
    sync_folder(folder_of(got));
    path_.clear();
    descriptor_.reset();
    return got;
}

result<void> part_file::become(part_file other) {
    if (const int code = sync_to_disk(other.descriptor()); code != 0) {
        other.discard();
        return fail(errc::io, explain_io("write to the disk", target_, code));
    }
    if (::rename(other.path_.c_str(), path_.c_str()) != 0) {
        const int code = errno;
        other.discard();
        return fail(errc::io, explain_io("replace", target_, code));
    }
    other.path_.clear();
    descriptor_ = std::move(other.descriptor_);
    return {};
}

fs::path part_file::name_beside(const fs::path& wanted, std::string_view word) {
    [[maybe_unused]] const int synced = sync_to_disk(descriptor_.get());
    fs::path got = path_;
    if (auto named = rename_beside(path_, wanted, word)) {
        got = std::move(*named);
        sync_folder(folder_of(got));
    }
    path_.clear();
    descriptor_.reset();
    return got;
}

void part_file::discard() noexcept {
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
    descriptor_.reset();
}

}  // namespace faceflow::internal
