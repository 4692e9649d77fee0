// SPDX-License-Identifier: Apache-2.0
// Counts, by reason, of errors that a source survived.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace faceflow::internal::media {

// Thread-safe, so that a run's progress can be shown while it reads.
class survival_counts {
public:
    void add(const char* reason, std::uint64_t times = 1) {
        if (times == 0) return;
        const std::lock_guard lock(mutex_);
        counts_[reason] += times;
    }
    [[nodiscard]] std::map<std::string, std::uint64_t> get() const {
        const std::lock_guard lock(mutex_);
        return counts_;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::uint64_t> counts_;
};

}  // namespace faceflow::internal::media
