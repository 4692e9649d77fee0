// SPDX-License-Identifier: Apache-2.0
#include "engine/leftovers.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>
#include <tuple>

#include "core/part_file.hpp"
#include "core/unique_fd.hpp"
#include "media/row_formats.hpp"

namespace faceflow::internal {
namespace fs = std::filesystem;
namespace {

bool of_a_run(const std::string& name) {
    return media::format_of_file(name) != nullptr || name == "summary.json" ||
           (name.starts_with("annotated") && name.find(".mp4") != std::string::npos) || is_annotated_picture(name);
}

bool is_locked(const fs::path& file) {
    const unique_fd opened(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    return opened && ::flock(opened.get(), LOCK_SH | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EACCES);
}

void find_in(const fs::path& folder, std::vector<leftover>& found) {
    std::error_code ec;
    for (fs::directory_iterator entry(folder, ec), end; !ec && entry != end; entry.increment(ec)) {
        auto names = parse_part_name(entry->path().filename().string());
        if (!names) continue;
        found.push_back({entry->path(), std::move(names->name), std::move(names->token), is_locked(entry->path())});
    }
}

}  // namespace

bool is_annotated_picture(const std::string& name) {
    return name.find("-annotated") != std::string::npos && (name.ends_with(".jpg") || name.ends_with(".png"));
}

std::vector<leftover> find_leftovers(const fs::path& folder) {
    std::vector<leftover> found;
    find_in(folder, found);
    std::error_code ec;
    for (fs::directory_iterator entry(folder, ec), end; !ec && entry != end; entry.increment(ec)) {
        std::error_code gone;
        if (entry->path().filename().string().starts_with("annotated") && entry->is_directory(gone))
            find_in(entry->path(), found);
    }
    // A run's trace may have any name, but has the run's token.
    std::set<std::string> runs;
    for (const auto& l : found) {
        if (of_a_run(l.name)) runs.insert(l.token);
    }
    std::erase_if(found, [&](const leftover& l) { return !runs.contains(l.token); });
    std::ranges::sort(found, {}, [](const leftover& l) { return std::tie(l.token, l.name); });
    return found;
}

}  // namespace faceflow::internal
