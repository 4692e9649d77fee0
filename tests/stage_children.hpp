// SPDX-License-Identifier: Apache-2.0
// The stage processes that a process has started, as /proc shows them.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "support.hpp"

namespace faceflow::internal::test {

struct child {
    int id = 0;
    std::string stage;
    bool ended = false;  // a zombie
};

// The stage processes of `parent`, zombies too.
inline std::vector<child> stage_processes(pid_t parent = ::getpid()) {
    std::vector<child> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string id = entry.path().filename();
        if (id.find_first_not_of("0123456789") != std::string::npos) continue;
        const std::string stat = contents(entry.path() / "stat");
        const auto name_end = stat.rfind(')');
        if (name_end == std::string::npos || stat.find("(faceflow-stage") == std::string::npos) continue;
        int owner = 0;
        char state = 0;
        if (std::sscanf(stat.c_str() + name_end + 1, " %c %d", &state, &owner) != 2 || owner != parent) continue;
        const std::string command = contents(entry.path() / "cmdline");
        const auto at = command.find('\0');
        found.push_back(
            {std::stoi(id), at == std::string::npos ? "" : std::string(command.c_str() + at + 1), state == 'Z'});
    }
    return found;
}

// Whether a process has a handler for the signal; before it has, one that is meant for the handler ends it.
inline bool catches(pid_t process, int signal) {
    const std::string status = contents("/proc/" + std::to_string(process) + "/status");
    const auto at = status.find("SigCgt:");
    if (at == std::string::npos) return false;
    return (std::strtoull(status.c_str() + at + 7, nullptr, 16) >> (signal - 1) & 1) != 0;
}

}  // namespace faceflow::internal::test
