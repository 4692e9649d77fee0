// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_program.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace faceflow::internal::flow {
namespace {

namespace fs = std::filesystem;

constexpr const char* program = "faceflow-stage";

// The user's own group does not count as other users: many systems give each user a private group with write access.
bool only_writable_by(const struct stat& facts, uid_t owner) {
    const bool known = facts.st_uid == 0 || facts.st_uid == ::geteuid() || facts.st_uid == owner;
    const bool by_group = (facts.st_mode & S_IWGRP) != 0 && facts.st_gid != 0 && facts.st_gid != ::getegid();
    return known && !by_group && (facts.st_mode & S_IWOTH) == 0;
}

// Why a candidate must not be run; empty if it may.
std::string refusal_of(const fs::path& candidate, uid_t owner) {
    struct stat file {
    }, folder{};
    if (::stat(candidate.c_str(), &file) != 0 || ::stat(candidate.parent_path().c_str(), &folder) != 0)
        return "is not there";
    if (!S_ISREG(file.st_mode) || ::access(candidate.c_str(), X_OK) != 0) return "is not a program";
    if (!only_writable_by(file, owner)) return "could have been written by another user";
    if (!only_writable_by(folder, owner)) return "could have been put there by another user";
    return {};
}

// Beside a built file; or in libexec of the prefix that has it in bin, lib or lib/x86_64-linux-gnu.
std::vector<fs::path> candidates_for(const fs::path& installed_or_built) {
    const fs::path folder = installed_or_built.parent_path(), above = folder.parent_path();
    std::vector<fs::path> all{folder / program};
    const auto in_prefix = [&](const fs::path& prefix) { all.push_back(prefix / "libexec/faceflow" / program); };
    const auto is_lib = [](const fs::path& p) { return p.filename() == "lib" || p.filename() == "lib64"; };
    if (folder.filename() == "bin" || is_lib(folder)) in_prefix(above);
    if (is_lib(above)) in_prefix(above.parent_path());
    return all;
}

}  // namespace

result<fs::path> find_stage_program_for(std::span<const fs::path> programs) {
    std::vector<std::string> looked;
    for (const fs::path& p : programs) {
        struct stat own {};
        if (p.empty() || ::stat(p.c_str(), &own) != 0) continue;
        for (const fs::path& candidate : candidates_for(p)) {
            const std::string refusal = refusal_of(candidate, own.st_uid);
            if (refusal.empty()) return candidate;
            auto line = fmt::format("{} {}", candidate.string(), refusal);
            if (std::find(looked.begin(), looked.end(), line) == looked.end()) looked.push_back(std::move(line));
        }
    }
    return fail(errc::not_found, fmt::format("flows of several processes run the program faceflow-stage: {}; set "
                                             "FACEFLOW_STAGE to its path, or use --flow fused",
                                             fmt::join(looked, ", ")));
}

result<fs::path> find_stage_program() {
    if (const char* named = std::getenv("FACEFLOW_STAGE"); named != nullptr && *named != '\0') {
        if (::access(named, F_OK) == 0) return fs::path(named);
        return fail(errc::not_found, fmt::format("FACEFLOW_STAGE names {}, which is not there", named));
    }
    Dl_info here{};
    static const int anchor = 0;
    std::error_code ec;
    std::vector<fs::path> programs;
    if (dladdr(&anchor, &here) != 0 && here.dli_fname != nullptr)
        programs.push_back(fs::weakly_canonical(here.dli_fname, ec));
    // A statically linked program may have been started by a relative path.
    programs.push_back(fs::read_symlink("/proc/self/exe", ec));
    return find_stage_program_for(programs);
}

}  // namespace faceflow::internal::flow
