// SPDX-License-Identifier: Apache-2.0
// Predicts a flow's transfers per frame and its memory without running it. Each flow has its plan beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/types.hpp"
#include "flow/stages/workspace.hpp"

namespace faceflow::internal::flow {

struct plan_request {
    std::int32_t cameras = 1;
    std::int32_t width = 1920, height = 1080;  // stored picture
    pixel_format format = pixel_format::i420;
    double fps = 30;         // of each camera
    std::int32_t faces = 4;  // in each frame
    std::string link = "pcie4";
    flow_kind flow = flow_kind::fused;
    // ignored where the flow lacks the feature: see effective_request()
    bool cache = true, batch = true, pinned = true;
    double cache_ttl = 0.5;  // seconds
    std::size_t cache_bytes = std::size_t{500} * 1000 * 1000;
    std::size_t device_memory = std::size_t{2} << 30;
    std::int32_t detect_width = 640, detect_height = 384;
    std::int32_t max_faces = 100;
};

// Transfers of one size.
struct planned_move {
    bool up = true;
    std::uint64_t bytes = 0;
    std::int64_t times = 1;
};

// Extra transfers of the first frame, and of any frame with more faces than its flow's capacity or, in `cached`, more
// than the frame before. There are never extra uploads; in `cached` the first frame has one less, that of the faces that
// are followed into it.
struct first_frame_extra {
    std::int64_t device_to_host = 0;
    std::uint64_t device_to_host_bytes = 0;
    std::int64_t syncs = 0;
};

// The memory of one process; all of them count against one device's memory.
struct planned_pool {
    std::string process;
    std::uint64_t frame_bytes = 0;  // slots of cached frames and of frames in work
    std::uint64_t model_bytes = 0;  // inputs, outputs and results of the stages
    [[nodiscard]] std::uint64_t bytes() const noexcept { return frame_bytes + model_bytes; }
};

struct flow_plan {
    std::vector<planned_move> moves;
    std::int64_t syncs = 0;
    std::optional<double> cache_hit_rate;  // nullopt if the flow has no cache lookups
    first_frame_extra first;
    std::vector<planned_pool> pools;  // one per process that keeps memory on the device
    std::vector<std::string> notes;   // for the user
};

// Builds a plan from the transfers that flows have in common and the sizes of their memory.
class flow_planner {
public:
    // `r` has been checked, and its switches are limited to those that its flow supports. `moved_frame_bytes`: size of
    // a frame as the flow transfers it.
    flow_planner(const plan_request& r, std::uint64_t moved_frame_bytes) : r_(r), frame_bytes_(moved_frame_bytes) {}

    void up(std::uint64_t bytes, std::int64_t times = 1) { plan_.moves.push_back({true, bytes, times}); }
    void frame_up(std::int64_t times = 1) { up(frame_bytes_, times); }
    // Device to host; a download into pageable memory is a host sync.
    void down(std::uint64_t bytes, std::int64_t times = 1);
    // Device to host, followed by one host sync.
    void down_and_wait(std::uint64_t bytes, std::int64_t times = 1);
    // The records of one pass, as result_reader downloads them.
    void results_down();
    void wait() { ++plan_.syncs; }
    void first_frame(const first_frame_extra& extra) { plan_.first = extra; }
    // A second stage looks the frame up in the cache.
    void ask_cache();
    void add_pool(std::string process, std::uint64_t frame_bytes, std::uint64_t model_bytes) {
        plan_.pools.push_back({std::move(process), frame_bytes, model_bytes});
    }

    // Frame memory of a process with `in_work` frames, and with cached ones if the cache is on.
    [[nodiscard]] std::uint64_t kept_frames_bytes(std::uint64_t in_work);
    [[nodiscard]] std::uint64_t slots_bytes(std::uint64_t slots, bool always_in_slots = false) const;
    [[nodiscard]] std::uint64_t detector_bytes() const;
    [[nodiscard]] static std::uint64_t mesh_outputs_bytes(std::int32_t faces);
    [[nodiscard]] pass_shape shape() const { return {1, r_.max_faces}; }

    [[nodiscard]] flow_plan take() { return std::move(plan_); }

private:
    const plan_request& r_;
    const std::uint64_t frame_bytes_;
    flow_plan plan_;
};

// In the picture's own pixel format.
[[nodiscard]] std::uint64_t native_frame_bytes(const plan_request& r);

}  // namespace faceflow::internal::flow
