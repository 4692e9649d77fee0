// SPDX-License-Identifier: Apache-2.0
// Brings a recording to its start: to where decoding gives the same frames from there on as decoding everything.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "media/frame_times.hpp"
#include "media/seeking.hpp"

namespace faceflow::internal::media {

// Times are written in microseconds: a start given as such must match its frame, although nanoseconds were cut off.
inline constexpr std::int64_t half_a_microsecond = 500;

// Seeks to the start or before it. If no frame that decoding can start from comes in time, seeks further back.
class start_seeker {
public:
    // Seeks the input, as seek_to does, and drops what was decoded of it.
    using mover = std::function<bool(double seconds, const std::vector<entry_point>& known)>;

    // `start`: in seconds, or none.
    start_seeker(std::optional<double> start, mover move) : start_(start), move_(std::move(move)) {}

    // The entry points up to the start, of a file whose clock may be reset.
    void use(std::vector<entry_point> known) { known_ = std::move(known); }

    // False: the input cannot seek there. Needs a start.
    [[nodiscard]] bool seek() { return seek_to(*start_); }
    // False: the last seek has found an entry point, or there is nothing further back.
    [[nodiscard]] bool seek_further_back();

    // Whether to drop the frame: it comes before the entry point that a seek looks for. May seek further back.
    [[nodiscard]] bool drops(const AVFrame& frame, const frame_times& times);

private:
    [[nodiscard]] bool seek_to(double seconds);

    const std::optional<double> start_;
    const mover move_;
    std::vector<entry_point> known_;
    std::optional<double> aimed_at_;  // the target of the last seek, until an entry point was found
};

}  // namespace faceflow::internal::media
