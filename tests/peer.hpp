// SPDX-License-Identifier: Apache-2.0
// A second process for tests: tests/helpers/ipc_peer.cpp, with a channel to it.
#pragma once

#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "ipc/channel.hpp"
#include "ipc/child_process.hpp"
#include "support.hpp"

namespace faceflow::internal::test {

inline ipc::time_point in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

// Long enough for a busy machine under a sanitizer.
inline ipc::time_point soon() {
    return in(std::chrono::seconds(30));
}

struct peer_process {
    ipc::channel to;
    ipc::child_process child;
};

inline peer_process start_peer(const std::vector<std::string>& arguments) {
    auto [ours, theirs] = ipc::channel::make_pair().value();
    const std::vector<ipc::inherited_fd> inherited{{theirs.descriptor(), 3}};
    auto child = ipc::child_process::spawn(program("faceflow_ipc_peer"), arguments, inherited);
    return {std::move(ours), std::move(child).value()};
}

inline std::size_t open_descriptors() {
    const auto all = std::filesystem::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace faceflow::internal::test
