// SPDX-License-Identifier: Apache-2.0
#include "analysis/plan_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/plan_moves.hpp"
#include "flow/flow.hpp"
#include "flow/process/shared_work.hpp"
#include "flow/stage_threads.hpp"
#include "vision/detect.hpp"

namespace faceflow::analysis {
namespace {

using flow::mesh_memory;
using flow::stage_role;

constexpr auto counted = capped_resource::counted;

flow::pass_shape shape_of(const plan_request& r) {
    return {1, r.max_faces};
}

// RetinaFace's input and raw outputs (2 anchors a cell: 2 scores, 4 box and 10 keypoint values each), and candidates.
std::uint64_t detector_bytes(const plan_request& r) {
    const auto floats = [](std::uint64_t n) { return counted(n * sizeof(float)); };
    const auto pixels = static_cast<std::uint64_t>(r.detect_width) * static_cast<std::uint64_t>(r.detect_height);
    std::uint64_t sum = floats(3 * pixels) + counted(sizeof(vision::detect_scratch));
    for (const std::uint64_t stride : {32, 16, 8}) {
        const std::uint64_t cells = pixels / (stride * stride);
        for (const std::uint64_t values : {2, 4, 10})
            sum += floats(2 * values * cells);
    }
    return sum;
}

std::uint64_t mesh_outputs_bytes(std::int32_t faces) {
    return counted(mesh_memory::landmarks_bytes(faces)) + counted(mesh_memory::scores_bytes(faces));
}

std::uint64_t workspace_bytes(const plan_request& r) {
    const flow::pass_shape shape = shape_of(r);
    return detector_bytes(r) + counted(mesh_memory::crops_bytes(shape.mesh_faces)) +
           mesh_outputs_bytes(shape.mesh_faces) + counted(shape.set_bytes()) + counted(shape.results_bytes());
}

std::uint64_t slots_bytes(const plan_request& r, std::uint64_t slots, bool in_slots = false) {
    const std::uint64_t bytes = moved_frame_bytes(r), grows_by = frame_store::slots_of_slab(bytes, in_slots);
    return (slots + grows_by - 1) / grows_by * grows_by * counted(bytes);
}

// Frames of a process that keeps them in a cache, if it is on.
std::uint64_t kept_frames_bytes(const plan_request& r, std::uint64_t in_work, std::vector<std::string>& notes) {
    // A frame in work is in the cache too, unless it is uploaded twice.
    if (!r.cache) return slots_bytes(r, 2 * in_work);
    const double wanted = std::ceil(r.cache_ttl * r.fps) * r.cameras;
    const auto room = std::floor(static_cast<double>(r.cache_bytes) / static_cast<double>(moved_frame_bytes(r)));
    if (wanted > room) {
        notes.push_back(
            fmt::format("the cache's {} MB hold {:.0f} of the {:.0f} frames of its time to live; the oldest go first",
                        r.cache_bytes / 1'000'000, room, wanted));
    }
    return slots_bytes(r, static_cast<std::uint64_t>(std::min(wanted, room)) + in_work);
}

planned_pool stage_pool(stage_role role, std::uint64_t frames, std::uint64_t models) {
    return {std::string(flow::name(role)), frames, models};
}

std::vector<planned_pool> in_process(const plan_request& r, std::vector<std::string>& notes) {
    const std::uint64_t places = r.flow == flow_kind::threaded ? flow::stage_threads::places : 1;
    // And where each source's faces were left.
    const std::uint64_t followed = counted(shape_of(r).set_bytes()) * static_cast<std::uint64_t>(r.cameras);
    return {{"faceflow", kept_frames_bytes(r, places, notes), places * workspace_bytes(r) + followed}};
}

std::vector<planned_pool> in_stages(const plan_request& r, std::vector<std::string>& notes) {
    const flow::transfer_buffer_layout layout = transfer_buffer_of(r);
    const std::uint64_t transfer_buffer = counted(layout.bytes());
    const planned_pool landmark =
        stage_pool(stage_role::landmark, 0,
                   transfer_buffer + mesh_outputs_bytes(layout.at_once) + counted(shape_of(r).results_bytes()));
    if (r.flow == flow_kind::cached) {
        return {
            stage_pool(stage_role::detect_region, kept_frames_bytes(r, 1, notes), transfer_buffer + detector_bytes(r)),
            landmark};
    }
    return {stage_pool(stage_role::detect, slots_bytes(r, 1), transfer_buffer + detector_bytes(r)),
            stage_pool(stage_role::region, r.faces > 0 ? slots_bytes(r, 1) : 0, transfer_buffer), landmark};
}

std::vector<planned_pool> in_shared_memory(const plan_request& r) {
    constexpr std::uint64_t places = flow::shared_places;
    const std::uint64_t place = flow::place_layout::of(shape_of(r)).bytes;
    return {{"faceflow", slots_bytes(r, places, true), places * counted(place)},
            stage_pool(stage_role::detect, 0, detector_bytes(r)),
            stage_pool(stage_role::landmark, 0, places * mesh_outputs_bytes(shape_of(r).mesh_faces))};
}

}  // namespace

std::vector<planned_pool> pools_in(const plan_request& r, std::vector<std::string>& notes) {
    switch (r.flow) {
        case flow_kind::shared: return in_shared_memory(r);
        case flow_kind::cached:
        case flow_kind::copied: return in_stages(r, notes);
        case flow_kind::threaded:
        case flow_kind::fused: break;
    }
    return in_process(r, notes);
}

std::vector<planned_pool> least_pools_in(plan_request r) {
    r.cache_ttl = 0;
    std::vector<std::string> ignored;
    return pools_in(r, ignored);
}

}  // namespace faceflow::analysis
