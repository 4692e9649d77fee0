// SPDX-License-Identifier: Apache-2.0
// `faceflow share`: sources read, paced and published until they end or somebody says stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device/open_devices.hpp"
#include "media/source.hpp"
#include "share/share_server.hpp"

namespace faceflow::share {

struct share_request {
    std::vector<std::string> inputs;
    device_request device;
    std::filesystem::path socket;  // empty: the usual place
    std::size_t slots = default_slots;
    bool loop = false;                             // recorded inputs begin anew at their end; times and sequences go on
    std::optional<double> fps;                     // of recorded inputs, 0: as fast as they decode; nullopt: their own
    bool once_connected = false;                   // the first frame waits for the first client
    std::optional<std::uint64_t> limit;            // frames of each input
    media::source_options reading;                 // of each input, as in run_request
    std::function<void(const std::string&)> note;  // a line for the user; any thread
};

struct share_report {
    server_counts counts;
    double seconds = 0;
    bool interrupted = false;                       // by `stop`
    std::map<std::string, std::uint64_t> survived;  // by the sources, as media::source::survived
    std::vector<std::string> warnings;              // sources that ended with an error
};

// Opens everything, then calls `ready` with the socket's path, and returns when all sources have ended or `stop` is set. A
// source that ends with an error is a warning while another goes on; an error when none gave a frame.
[[nodiscard]] result<share_report> run_share(const share_request& wanted, const std::atomic<bool>& stop,
                                             const std::function<void(const std::filesystem::path&)>& ready);

}  // namespace faceflow::share
