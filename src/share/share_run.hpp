// SPDX-License-Identifier: Apache-2.0
// `faceflow share`: reads, paces and publishes sources until they end or are stopped.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backends/open_devices.hpp"
#include "media/source.hpp"
#include "share/share_server.hpp"

namespace faceflow::internal::share {

struct share_request {
    std::vector<std::string> inputs;
    device_request device;
    std::filesystem::path socket;  // empty: the default path
    std::size_t slots = default_slots;
    bool loop = false;  // recorded inputs restart at their end; times and sequences continue
    // of recorded inputs; 0: as fast as they decode; nullopt: their own rate
    std::optional<double> fps;
    bool once_connected = false;                   // the first frame waits for the first client
    std::optional<std::uint64_t> limit;            // limit of frames per input
    media::source_options reading;                 // for each input, as in run_request
    std::function<void(const std::string&)> note;  // takes a line for the user; called on any thread
};

struct share_report {
    server_counts counts;
    double seconds = 0;
    bool interrupted = false;                       // by `stop`
    std::map<std::string, std::uint64_t> survived;  // from the sources; see media::source::survived
    std::vector<std::string> warnings;              // sources that ended with an error
};

// Opens everything, calls `ready` with the socket's path, and returns when all sources have ended or `stop` is set. A
// source that ends with an error is a warning if another delivered frames; if none did, the result is an error.
[[nodiscard]] result<share_report> run_share(const share_request& wanted, const std::atomic<bool>& stop,
                                             const std::function<void(const std::filesystem::path&)>& ready);

}  // namespace faceflow::internal::share
