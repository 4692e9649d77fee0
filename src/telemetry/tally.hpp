// SPDX-License-Identifier: Apache-2.0
// Counts by reason: dropped frames, failures, survived errors.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace faceflow::internal {

// Thread-safe. For rare events; per-frame counters are separate atomics.
class tally {
public:
    // True for the first event of its reason.
    bool add(std::string_view reason, std::uint64_t n = 1) {
        if (n == 0) return false;
        const std::lock_guard lock(mutex_);
        const auto at = counts_.find(reason);
        if (at == counts_.end()) {
            counts_.emplace(reason, n);
            return true;
        }
        at->second += n;
        return false;
    }

    [[nodiscard]] std::map<std::string, std::uint64_t> snapshot() const {
        const std::lock_guard lock(mutex_);
        return {counts_.begin(), counts_.end()};
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace faceflow::internal
