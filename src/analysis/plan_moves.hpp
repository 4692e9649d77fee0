// SPDX-License-Identifier: Apache-2.0
// What a frame moves between host and device in each flow, transfer by transfer.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/plan.hpp"
#include "flow/process/transfer_buffer_layout.hpp"

namespace faceflow::analysis {

// Transfers of one size.
struct planned_move {
    bool up = true;
    std::uint64_t bytes = 0;
    std::int64_t times = 1;
};

struct planned_moves {
    std::vector<planned_move> all;
    std::int64_t syncs = 0;
    std::optional<double> cache_hit_rate;  // nothing where nobody asks a cache
    first_frame_extra first;
};

// `r` has been checked; its switches are those that its flow heeds.
[[nodiscard]] planned_moves moves_of(const plan_request& r);

// Bytes of a frame as the flow moves it.
[[nodiscard]] std::uint64_t moved_frame_bytes(const plan_request& r);
// Whether a frame is still in the frame cache when a later stage asks for it.
[[nodiscard]] bool stays_cached(const plan_request& r);
[[nodiscard]] flow::transfer_buffer_layout transfer_buffer_of(const plan_request& r);

}  // namespace faceflow::analysis
