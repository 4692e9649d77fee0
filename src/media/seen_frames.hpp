// SPDX-License-Identifier: Apache-2.0
// Recognises the frames of a playlist that were already read: they appear again when it is reopened.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace faceflow::internal::media {

// All times are raw: as the frames state them, in nanoseconds.
class seen_frames {
public:
    using clock = std::chrono::steady_clock;

    // A frame was read that was not seen before.
    void add(std::optional<std::int64_t> raw_ns) noexcept { last_ = raw_ns; }
    [[nodiscard]] std::optional<std::int64_t> last() const noexcept { return last_; }

    // The playlist begins again. `ended`: it is complete now and read from a known place. Otherwise its clock may have
    // been restarted, whose frames arrive as they are made, not at once.
    void expect_again(bool ended, clock::time_point now) {
        if (last_) again_ = {*last_, ended ? clock::time_point::max() : now + patience};
    }

    [[nodiscard]] bool contain(std::optional<std::int64_t> raw_ns, clock::time_point now) {
        if (!again_) return false;
        const bool seen = raw_ns && *raw_ns <= again_->until_ns && now < again_->patience_ends;
        if (!seen) again_.reset();
        return seen;
    }

private:
    static constexpr auto patience = std::chrono::seconds(5);
    struct repetition {
        std::int64_t until_ns;
        clock::time_point patience_ends;
    };
    std::optional<std::int64_t> last_;
    std::optional<repetition> again_;
};

}  // namespace faceflow::internal::media
