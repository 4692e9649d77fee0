// SPDX-License-Identifier: Apache-2.0
#include "core/processors.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace faceflow::internal {
namespace {

namespace fs = std::filesystem;

std::int32_t allowed_by_affinity() {
    // The kernel refuses a set smaller than its own.
    for (int most = CPU_SETSIZE; most <= 1 << 20; most *= 2) {
        std::vector<cpu_set_t> set(CPU_ALLOC_SIZE(most) / sizeof(cpu_set_t));
        const std::size_t bytes = set.size() * sizeof(cpu_set_t);
        if (::sched_getaffinity(0, bytes, set.data()) == 0) return CPU_COUNT_S(bytes, set.data());
        if (errno != EINVAL) break;
    }
    return static_cast<std::int32_t>(std::thread::hardware_concurrency());
}

// Joins paths so that even an absolute path stays below `root`.
fs::path below(const fs::path& root, const fs::path& path) {
    return root / path.relative_path();
}

std::optional<double> number_in(std::istream& from) {
    double n = 0;
    if (from >> n && std::isfinite(n)) return n;
    return std::nullopt;
}

std::optional<double> share_of(std::optional<double> quota, std::optional<double> period) {
    if (quota && period && *quota > 0 && *period > 0) return *quota / *period;
    return std::nullopt;
}

// The content is "max 100000", or a quota and a period in microseconds.
std::optional<double> quota_v2(const fs::path& group) {
    std::ifstream file(group / "cpu.max");
    const auto quota = number_in(file);
    return share_of(quota, number_in(file));
}

std::optional<double> quota_v1(const fs::path& group) {
    std::ifstream quota(group / "cpu.cfs_quota_us"), period(group / "cpu.cfs_period_us");
    return share_of(number_in(quota), number_in(period));
}

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string w; in >> w;)
        words.push_back(std::move(w));
    return words;
}

bool lists(std::string_view list, std::string_view wanted) {
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        if (list.substr(0, comma) == wanted) return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

// mountinfo writes a blank as \040.
std::string unescaped(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool octal =
            text[i] == '\\' && i + 3 < text.size() &&
            std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                        text.begin() + static_cast<std::ptrdiff_t>(i) + 4, [](char c) { return c >= '0' && c <= '7'; });
        plain += octal ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
        if (octal) i += 3;
    }
    return plain;
}

struct hierarchy {
    bool unified = false;
    fs::path top, mounted;  // the mounted group, and where
};

// The hierarchies that can limit processor time.
std::vector<hierarchy> hierarchies(const fs::path& root) {
    std::vector<hierarchy> found;
    std::ifstream mounts(root / "proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        // 30 23 0:26 /top /mounted rw,nosuid shared:4 - cgroup2 cgroup2 rw
        const auto words = words_of(line);
        const auto dash = std::find(words.begin(), words.end(), "-");
        if (words.size() < 5 || words.end() - dash < 4) continue;
        const bool unified = dash[1] == "cgroup2";
        if (unified || (dash[1] == "cgroup" && lists(dash[3], "cpu")))
            found.push_back({unified, unescaped(words[3]), unescaped(words[4])});
    }
    return found;
}

// The group of this process, as the kernel names it.
std::optional<fs::path> own_group(const fs::path& root, bool unified) {
    std::ifstream groups(root / "proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        // "0::/user.slice" in the unified hierarchy, "4:cpu,cpuacct:/docker/1a2b" in others
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
        if (unified ? controllers.empty() : lists(controllers, "cpu")) return line.substr(second + 1);
    }
    return std::nullopt;
}

void lower(std::optional<double>& to, std::optional<double> other) {
    if (other) to = std::min(*other, to.value_or(*other));
}

}  // namespace

std::optional<double> granted_processors(const fs::path& root) {
    std::optional<double> least;
    for (const hierarchy& h : hierarchies(root)) {
        const auto group = own_group(root, h.unified);
        if (!group) continue;
        // A container may see its own group mounted as the top, under the host's name.
        fs::path inside = group->lexically_relative(h.top);
        if (inside.empty() || *inside.begin() == "..") inside = ".";
        const fs::path top = below(root, h.mounted);
        for (fs::path at = inside.lexically_normal();; at = at.parent_path()) {
            lower(least, h.unified ? quota_v2(top / at) : quota_v1(top / at));
            if (at.empty() || at == ".") break;
        }
    }
    return least;
}

std::int32_t usable_processors(std::int32_t allowed, std::optional<double> granted) noexcept {
    constexpr double most = std::numeric_limits<std::int32_t>::max();
    if (granted) allowed = std::min(allowed, static_cast<std::int32_t>(std::min(std::ceil(*granted), most)));
    return std::max(allowed, 1);
}

std::int32_t usable_processors() {
    return usable_processors(allowed_by_affinity(), granted_processors());
}

}  // namespace faceflow::internal
