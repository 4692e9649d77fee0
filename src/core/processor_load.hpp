// SPDX-License-Identifier: Apache-2.0
// How busy the machine's processors are.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace faceflow {

// One thread at a time.
class processor_load {
public:
    // `root`: the folder that holds proc.
    explicit processor_load(std::filesystem::path root = "/") : root_(std::move(root)) {}

    // The part (0..1) of the time of all processors since the call before that was used: of the machine's by anybody (/proc/stat,
    // proc(5)), or, where that is more, of those that this process may use by itself. nullopt from the first call, from one
    // within 200 ms or after 10 s of the one before, and where the system does not say.
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

}  // namespace faceflow
