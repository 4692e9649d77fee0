// SPDX-License-Identifier: Apache-2.0
#include "serve/runs.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/part_file.hpp"

namespace faceflow::internal::serve {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr std::size_t max_runs = 1'000, max_files = 100, max_summary = 1 << 20;

struct file_type {
    std::string_view suffix, type;
};
constexpr std::array file_types{file_type{".ndjson", "application/x-ndjson"}, file_type{".csv", "text/csv"},
                                file_type{".json", "application/json"}, file_type{".mp4", "video/mp4"}};

std::optional<std::string_view> type_of(std::string_view name) {
    if (name.starts_with('.') || name.find('/') != std::string_view::npos) return std::nullopt;
    for (const file_type& t : file_types) {
        if (name.ends_with(t.suffix)) return t.type;
    }
    return std::nullopt;
}

unique_fd open_in(int folder, std::string_view name, int flags) {
    return unique_fd(::openat(folder, std::string(name).c_str(), flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

std::string read_start(int file, std::size_t most) {
    std::string all(most, '\0');
    std::size_t size = 0;
    while (size < most) {
        const auto some = ::pread(file, all.data() + size, most - size, static_cast<off_t>(size));
        if (some <= 0) break;
        size += static_cast<std::size_t>(some);
    }
    all.resize(size);
    return all;
}

void read_summary(int folder, run_folder& into) {
    const unique_fd file = open_in(folder, "summary.json", O_NONBLOCK);
    if (!file) return;
    const json summary = json::parse(read_start(file.get(), max_summary), nullptr, false);
    if (!summary.is_object()) return;
    const auto text = [&](const char* key) {
        const auto at = summary.find(key);
        return at != summary.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    const auto number = [&](const char* key) {
        const auto at = summary.find(key);
        return at != summary.end() && at->is_number() ? std::max(0.0, at->get<double>()) : 0.0;
    };
    into.source = text("source");
    into.started = text("started");
    into.seconds = number("seconds");
    into.frames = static_cast<std::uint64_t>(std::min(number("frames"), 1e15));
}

void list_files(const fs::path& folder, int descriptor, run_folder& into) {
    std::error_code ec;
    for (fs::directory_iterator at(folder, ec), end; !ec && at != end; at.increment(ec)) {
        const std::string name = at->path().filename().string();
        if (parse_part_name(name)) into.open = true;
        if (!type_of(name) || into.files.size() >= max_files) continue;
        struct stat about {};
        if (::fstatat(descriptor, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode))
            into.files.push_back({name, static_cast<std::uint64_t>(about.st_size)});
    }
    std::ranges::sort(into.files, {}, &run_file::name);
}

std::optional<run_folder> look_at(const fs::path& in, int root, const std::string& name) {
    const unique_fd folder = open_in(root, name, O_DIRECTORY);
    if (!folder) return std::nullopt;
    run_folder r;
    r.name = name;
    list_files(in / name, folder.get(), r);
    if (r.files.empty() && !r.open) return std::nullopt;
    read_summary(folder.get(), r);
    struct stat about {};
    if (r.started.empty() && ::fstat(folder.get(), &about) == 0)
        r.started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(about.st_mtime));
    return r;
}

unique_fd open_root(const fs::path& folder) {
    return unique_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

std::vector<run_folder> list_runs(const fs::path& folder) {
    std::vector<run_folder> all;
    const unique_fd root = open_root(folder);
    std::error_code ec;
    for (fs::directory_iterator at(folder, ec), end; root && !ec && at != end; at.increment(ec)) {
        const std::string name = at->path().filename().string();
        if (name.starts_with('.')) continue;
        if (auto found = look_at(folder, root.get(), name)) all.push_back(std::move(*found));
    }
    std::ranges::sort(all, [](const run_folder& a, const run_folder& b) {
        return std::pair(a.started, a.name) > std::pair(b.started, b.name);
    });
    if (all.size() > max_runs) all.resize(max_runs);
    return all;
}

result<opened_run_file> open_run_file(const fs::path& folder, std::string_view run, std::string_view file) {
    const auto missing = [&] {
        return fail(errc::not_found,
                    fmt::format("there is no file '{}' of a run '{}'", file.substr(0, 64), run.substr(0, 128)));
    };
    const auto type = type_of(file);
    if (!type || run.empty() || run.starts_with('.') || run.find('/') != std::string_view::npos) return missing();
    const unique_fd root = open_root(folder);
    if (!root) return missing();
    const unique_fd inside = open_in(root.get(), run, O_DIRECTORY);
    if (!inside) return missing();
    opened_run_file r;
    r.file = open_in(inside.get(), file, O_NONBLOCK);
    struct stat about {};
    if (!r.file || ::fstat(r.file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return missing();
    r.bytes = static_cast<std::uint64_t>(about.st_size);
    r.type = *type;
    return r;
}

}  // namespace faceflow::internal::serve
