// SPDX-License-Identifier: Apache-2.0
// Filters frames of one source by sequence.
#pragma once

#include <cstdint>

namespace faceflow::internal {

// Admits each sequence once, in ascending order only: later stages find frames by sequence. Not thread-safe.
class sequence_filter {
public:
    // False unless the sequence is newer than the last admitted one.
    [[nodiscard]] bool admit(std::uint64_t sequence) noexcept {
        if (sequence < next_) return false;
        missing_ += sequence - next_;
        next_ = sequence + 1;
        return true;
    }
    // Sequences below the newest that never came, including those before the first frame.
    [[nodiscard]] std::uint64_t missing() const noexcept { return missing_; }

private:
    std::uint64_t next_ = 0, missing_ = 0;
};

}  // namespace faceflow::internal
