// SPDX-License-Identifier: Apache-2.0
// What a number of cameras would ask of a device and its link, computed without running anything.
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

namespace faceflow::analysis {

struct plan_request {
    std::int32_t cameras = 1;
    std::int32_t width = 1920, height = 1080;  // stored picture
    pixel_format format = pixel_format::i420;
    double fps = 30;         // of each camera
    std::int32_t faces = 4;  // in each frame
    std::string link = "pcie4";
    flow_kind flow = flow_kind::fused;
    bool cache = true, batch = true, pinned = true;  // one that the flow has not means nothing: see effective_request()
    double cache_ttl = 0.5;                          // seconds
    std::size_t cache_bytes = std::size_t{500} * 1000 * 1000;
    std::size_t device_memory = std::size_t{2} << 30;
    std::int32_t detect_width = 640, detect_height = 384;
    std::int32_t max_faces = 100;
};

// What the first frame takes besides, and any that has more faces than its flow makes room for, or in `cached` than the frame
// before: of host->device nothing, ever.
struct first_frame_extra {
    std::int64_t device_to_host = 0;
    std::uint64_t device_to_host_bytes = 0;
    std::int64_t syncs = 0;
};

// Of one process; all count against one device's memory.
struct planned_pool {
    std::string process;
    std::uint64_t frame_bytes = 0;  // slots: cached frames and those in work
    std::uint64_t model_bytes = 0;  // inputs, outputs and results of the stages
    [[nodiscard]] std::uint64_t bytes() const noexcept { return frame_bytes + model_bytes; }
};

// Counts and bytes are those that a run on a device with memory of its own enters in its ledgers, all processes together,
// exactly, for frames that have as many faces as the one before and are all detected in. Times are those of transfers alone;
// the processes of a flow share the link.
struct plan_result {
    plan_request asked;
    double host_to_device_per_frame = 0, host_to_device_bytes_per_frame = 0;
    double device_to_host_per_frame = 0, device_to_host_bytes_per_frame = 0;
    double syncs_per_frame = 0;
    std::optional<double> cache_hit_rate;  // nothing where nobody asks a cache
    first_frame_extra first_frame;
    double link_ms_per_frame = 0;  // one after the other, the host's staging of pageable memory counted
    double link_busy_up = 0,
           link_busy_down = 0;  // shares of the time that a copy engine works, all cameras; > 1: too much
    std::int64_t cameras_the_link_carries = 0;  // -1: the link takes no time, so any number
    std::vector<planned_pool> pools;            // of the processes that keep something on the device
    std::uint64_t pool_limit_bytes = 0;         // asked.device_memory is divided by the processes of the flow
    std::uint64_t frame_memory_bytes = 0, model_memory_bytes = 0;  // of all pools
    std::uint64_t device_memory_bytes = 0;                         // both
    bool fits = true;                                              // each pool in its limit
    std::vector<std::string> notes;                                // for people
};

// `r` with those of cache, batch and pinned off that its flow has not.
[[nodiscard]] plan_request effective_request(plan_request r);

// errc::invalid_argument for a link, flow, format or size that makes no sense, naming it.
[[nodiscard]] result<plan_result> plan(const plan_request& request);

// The format of that name, as in "nv12".
[[nodiscard]] result<pixel_format> find_pixel_format(std::string_view wanted);

[[nodiscard]] std::string render_plan(const plan_result& p);
[[nodiscard]] std::string render_plan_json(const plan_result& p);

}  // namespace faceflow::analysis
