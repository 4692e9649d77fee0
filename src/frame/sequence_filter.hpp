// SPDX-License-Identifier: Apache-2.0
// Which frames of one source may pass.
#pragma once

#include <cstdint>

namespace faceflow {

// Lets each sequence pass once, and only upwards: frames are found again by them. Not thread-safe.
class sequence_filter {
public:
    // False for one that is not newer than the last that passed.
    [[nodiscard]] bool admit(std::uint64_t sequence) noexcept {
        if (sequence < next_) return false;
        missing_ += sequence - next_;
        next_ = sequence + 1;
        return true;
    }
    // Sequences below the newest that never came, those before the first frame too.
    [[nodiscard]] std::uint64_t missing() const noexcept { return missing_; }

private:
    std::uint64_t next_ = 0, missing_ = 0;
};

}  // namespace faceflow
