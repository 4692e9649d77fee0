// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "device/memory.hpp"
#include "flow/stages/face_capacity.hpp"
#include "frame/frame_store.hpp"
#include "frame/layout.hpp"
#include "vision/detect.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::flow {
namespace {

constexpr auto counted_bytes = capped_resource::counted;
constexpr std::int32_t first_capacity = round_to_batches(0);  // before a flow has processed a frame

}  // namespace

std::uint64_t native_frame_bytes(const plan_request& r) {
    return native_bytes(r.format, r.width, r.height);
}

void flow_planner::down(std::uint64_t bytes, std::int64_t times) {
    plan_.moves.push_back({false, bytes, times});
    if (!r_.pinned) plan_.syncs += times;
}

void flow_planner::down_and_wait(std::uint64_t bytes, std::int64_t times) {
    down(bytes, times);
    if (r_.pinned) plan_.syncs += times;
}

void flow_planner::results_down() {
    const std::int64_t waits = r_.pinned ? 1 : 2;
    plan_.moves.push_back({false, vision::pass_results::bytes(1, round_to_batches(r_.faces)), 1});
    plan_.syncs += waits;
    if (r_.faces > first_capacity) plan_.first = {1, vision::pass_results::bytes(1, first_capacity), waits};
}

void flow_planner::ask_cache() {
    if (!r_.cache) return;
    plan_.cache_hit_rate = r_.cache_ttl > 0 && frame_bytes_ <= r_.cache_bytes ? 1 : 0;
}

std::uint64_t flow_planner::slots_bytes(std::uint64_t slots, bool always_in_slots) const {
    const std::uint64_t grows_by = frame_store::slots_of_slab(frame_bytes_, always_in_slots);
    return (slots + grows_by - 1) / grows_by * grows_by * counted_bytes(frame_bytes_);
}

std::uint64_t flow_planner::kept_frames_bytes(std::uint64_t in_work) {
    // A frame in work is also in the cache; without a cache it is uploaded twice.
    if (!r_.cache) return slots_bytes(2 * in_work);
    const double wanted = std::ceil(r_.cache_ttl * r_.fps) * r_.cameras;
    const auto held = std::floor(static_cast<double>(r_.cache_bytes) / static_cast<double>(frame_bytes_));
    if (wanted > held) {
        plan_.notes.push_back(
            fmt::format("the cache's {} MB hold {:.0f} of the {:.0f} frames of its time to live; the oldest go first",
                        r_.cache_bytes / 1'000'000, held, wanted));
    }
    return slots_bytes(static_cast<std::uint64_t>(std::min(wanted, held)) + in_work);
}

// RetinaFace's input and raw outputs (2 anchors a cell: 2 scores, 4 box and 10 keypoint values each), and candidates.
std::uint64_t flow_planner::detector_bytes() const {
    const auto floats = [](std::uint64_t n) { return counted_bytes(n * sizeof(float)); };
    const auto pixels = static_cast<std::uint64_t>(r_.detect_width) * static_cast<std::uint64_t>(r_.detect_height);
    std::uint64_t sum = floats(3 * pixels) + counted_bytes(sizeof(vision::detect_scratch));
    for (const std::uint64_t stride : {32, 16, 8}) {
        const std::uint64_t cells = pixels / (stride * stride);
        for (const std::uint64_t values : {2, 4, 10})
            sum += floats(2 * values * cells);
    }
    return sum;
}

std::uint64_t flow_planner::mesh_outputs_bytes(std::int32_t faces) {
    return counted_bytes(mesh_memory::landmarks_bytes(faces)) + counted_bytes(mesh_memory::scores_bytes(faces));
}

}  // namespace faceflow::internal::flow
