// SPDX-License-Identifier: Apache-2.0
// Measures how busy the machine's processors are.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace faceflow::internal {

// Use it from one thread at a time.
class processor_load {
public:
    // `root`: the folder that holds proc.
    explicit processor_load(std::filesystem::path root = "/") : root_(std::move(root)) {}

    // The load (0..1) since the previous call: the share of all processors' time used by any process (/proc/stat,
    // proc(5)), or the share of the time available to this process that it used itself, whichever is more. nullopt on
    // the first call, on calls within 200 ms or after more than 10 s of the previous one, and if the system does not
    // provide it.
    [[nodiscard]] std::optional<double> since_last();

private:
    struct reading {
        std::chrono::steady_clock::time_point at;
        std::uint64_t busy = 0, all = 0;  // ticks of the machine
        std::chrono::nanoseconds own{0};  // of this process
    };
    [[nodiscard]] std::optional<reading> read() const;

    const std::filesystem::path root_;
    std::optional<reading> last_;
};

}  // namespace faceflow::internal
