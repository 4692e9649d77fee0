#include "core/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>

namespace faceflow {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t buffer_size = std::size_t{256} << 10;

std::string_view advice(int reason) {
    switch (reason) {
        case ENOSPC:
        case EDQUOT: return "free some space or write elsewhere";
        case EACCES:
        case EPERM:
        case EROFS: return "choose a folder that you may write to";
        case ENOENT: return "create the folder first";
        case ENOTDIR: return "a part of the path is no folder; choose another";
        case EISDIR: return "it is a folder; name a file";
        case EPIPE: return "whatever read it has stopped; keep the reader running";
        default: return "write elsewhere or look at the disk";
    }
}

std::string explain(std::string_view what, const fs::path& file, int reason) {
    return fmt::format("cannot {} {}: {}; {}", what, file.string(), std::generic_category().message(reason),
                       advice(reason));
}

// Streams of this process must not be replaced by name, though they may well be regular files.
// The descriptor of this process that a path stands for.
std::optional<int> own_stream(const fs::path& target) {
    const std::string text = target.lexically_normal().string();
    if (text == "/dev/stdout") return STDOUT_FILENO;
    if (text == "/dev/stderr") return STDERR_FILENO;
    for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
        int number = -1;
        const char* const end = text.data() + text.size();
        if (text.starts_with(folder) && std::from_chars(text.data() + folder.size(), end, number).ptr == end)
            return number;
    }
    return std::nullopt;
}

// The stream itself, not its file opened anew: what others write there goes before and behind, and sockets cannot be opened.
int open_directly(const fs::path& target) {
    if (const auto own = own_stream(target)) return ::fcntl(*own, F_DUPFD_CLOEXEC, 0);
    return ::open(target.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
}

// A free name beside the target. A crashed run with the same process number, or a second writer of the same target in
// this process, may hold the first.
result<std::pair<fs::path, int>> create_beside(const fs::path& target) {
    const std::string stem = "." + target.filename().string() + ".part-" + std::to_string(::getpid());
    for (int attempt = 0; attempt < 100; ++attempt) {
        fs::path part = target.parent_path() / (attempt == 0 ? stem : stem + "-" + std::to_string(attempt));
        const int descriptor = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0) return std::pair(std::move(part), descriptor);
        if (errno != EEXIST) return fail(errc::io, explain("create", target, errno));
    }
    return fail(errc::io, fmt::format("cannot create {}: 100 unfinished files named {}* lie beside it; remove them",
                                      target.string(), stem));
}

}  // namespace

result<atomic_file> atomic_file::open(const fs::path& wanted) {
    std::error_code ignored;
    const auto kind = fs::status(wanted, ignored).type();
    if (kind == fs::file_type::directory) return fail(errc::io, explain("write", wanted, EISDIR));
    if (own_stream(wanted) || (kind != fs::file_type::regular && kind != fs::file_type::not_found &&
                               kind != fs::file_type::none && kind != fs::file_type::unknown)) {
        const int descriptor = open_directly(wanted);
        if (descriptor < 0) return fail(errc::io, explain("open", wanted, errno));
        return atomic_file(wanted, {}, descriptor);
    }

    fs::path target = wanted;
    if (kind == fs::file_type::regular && fs::is_symlink(wanted, ignored)) {
        fs::path real = fs::canonical(wanted, ignored);
        if (!real.empty()) target = std::move(real);
    }
    auto created = create_beside(target);
    if (!created) return tl::unexpected(std::move(created.error()));
    struct stat old {};
    if (kind == fs::file_type::regular && ::stat(target.c_str(), &old) == 0) {
        // Best effort: on a file system without permissions there is nothing to keep.
        [[maybe_unused]] const int kept = ::fchmod(created->second, old.st_mode & 07777);
    }
    return atomic_file(std::move(target), std::move(created->first), created->second);
}

atomic_file::atomic_file(fs::path target, fs::path part, int descriptor)
    : target_(std::move(target)),
      part_(std::move(part)),
      descriptor_(descriptor) {
    buffer_.reserve(buffer_size);
}

atomic_file::atomic_file(atomic_file&& other) noexcept
    : target_(std::move(other.target_)),
      part_(std::exchange(other.part_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      committed_(std::exchange(other.committed_, true)),
      buffer_(std::move(other.buffer_)),
      failure_(std::move(other.failure_)) {}

atomic_file::~atomic_file() {
    discard();
}

void atomic_file::discard() noexcept {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    if (!committed_ && !part_.empty()) ::unlink(part_.c_str());
    part_.clear();
}

result<void> atomic_file::broken(std::string_view what, int reason) {
    failure_ = explain(what, target_, reason);
    return fail(errc::io, failure_);
}

result<void> atomic_file::write_out(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            // Who gave us the stream may have set it so.
            if (pollfd room{descriptor_, POLLOUT, 0}; errno == EAGAIN && ::poll(&room, 1, -1) >= 0) continue;
            return broken("write", errno);
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

result<void> atomic_file::flush() {
    auto written = write_out(buffer_);
    buffer_.clear();
    return written;
}

result<void> atomic_file::append(std::string_view bytes) {
    if (!failure_.empty()) return fail(errc::io, failure_);
    if (committed_)
        return fail(errc::internal, fmt::format("{} is written to after it was finished", target_.string()));
    if (buffer_.size() + bytes.size() > buffer_size) {
        if (auto flushed = flush(); !flushed) return flushed;
    }
    if (bytes.size() > buffer_size) return write_out(bytes);
    buffer_.append(bytes);
    return {};
}

result<void> atomic_file::commit() {
    if (!failure_.empty()) return fail(errc::io, failure_);
    if (committed_) return {};
    if (auto flushed = flush(); !flushed) return flushed;
    if (::close(std::exchange(descriptor_, -1)) != 0) return broken("write", errno);  // network file systems tell late
    if (!part_.empty() && ::rename(part_.c_str(), target_.c_str()) != 0) return broken("replace", errno);
    committed_ = true;
    return {};
}

}  // namespace faceflow
