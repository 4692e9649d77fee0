// SPDX-License-Identifier: Apache-2.0
// Computes what a number of cameras would require of a device and its link, without running anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "flow/flow_plan.hpp"

namespace faceflow::internal::analysis {

using flow::first_frame_extra;
using flow::plan_request;
using flow::planned_pool;

// Counts and bytes are exactly those that a run on a device with its own memory records in its ledgers, over all
// processes, for frames that are all detected in and have as many faces as the previous one. Times are those of
// transfers alone; the processes of a flow share the link.
struct plan_result {
    plan_request asked;
    double host_to_device_per_frame = 0, host_to_device_bytes_per_frame = 0;
    double device_to_host_per_frame = 0, device_to_host_bytes_per_frame = 0;
    double syncs_per_frame = 0;
    std::optional<double> cache_hit_rate;  // nullopt without cache lookups
    first_frame_extra first_frame;
    double link_ms_per_frame = 0;  // consecutively, including host staging of pageable memory
    double link_busy_up = 0,
           link_busy_down = 0;  // share of time that each copy engine works, for all cameras; > 1: too much
    std::int64_t cameras_the_link_carries = 0;  // -1: the link takes no time, so any number
    std::vector<planned_pool> pools;            // of the processes with memory on the device
    std::uint64_t pool_limit_bytes = 0;         // asked.device_memory divided by the flow's processes
    std::uint64_t frame_memory_bytes = 0, model_memory_bytes = 0;  // of all pools
    std::uint64_t device_memory_bytes = 0;                         // both
    bool fits = true;                                              // whether each pool fits its limit
    std::vector<std::string> notes;                                // for the user
};

// `r` with cache, batch and pinned switched off where its flow does not support them.
[[nodiscard]] plan_request effective_request(plan_request r);

// errc::invalid_argument for an invalid link, flow, format or size, naming it.
[[nodiscard]] result<plan_result> plan(const plan_request& request);

// The format of that name, as in "nv12".
[[nodiscard]] result<pixel_format> find_pixel_format(std::string_view wanted);

[[nodiscard]] std::string render_plan(const plan_result& p);
[[nodiscard]] std::string render_plan_json(const plan_result& p);

}  // namespace faceflow::internal::analysis
