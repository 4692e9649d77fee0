// SPDX-License-Identifier: Apache-2.0
#include "flow/in_process/in_process_plan.hpp"

#include "device/memory.hpp"
#include "flow/in_process/stage_threads.hpp"

namespace faceflow::internal::flow {
namespace {

flow_plan plan_in_process(const plan_request& r, std::uint64_t frames_in_work) {
    flow_planner p(r, native_frame_bytes(r));
    // With a cache, one upload: a frame in work is held even after the cache has dropped it.
    p.frame_up(r.cache ? 1 : 2);
    p.ask_cache();
    p.results_down();

    constexpr auto counted = capped_resource::counted;
    const pass_shape shape = p.shape();
    const std::uint64_t workspace = p.detector_bytes() + counted(shape.crops.bytes(shape.mesh_faces)) +
                                    flow_planner::mesh_outputs_bytes(shape.mesh_faces) + counted(shape.set_bytes()) +
                                    counted(shape.results_bytes());
    const std::uint64_t tracked = counted(shape.set_bytes()) * static_cast<std::uint64_t>(r.cameras);
    p.add_pool("faceflow", p.kept_frames_bytes(frames_in_work), frames_in_work * workspace + tracked);
    return p.take();
}

}  // namespace

flow_plan plan_fused(const plan_request& r) {
    return plan_in_process(r, 1);
}

flow_plan plan_threaded(const plan_request& r) {
    return plan_in_process(r, stage_threads::jobs_in_flight);
}

}  // namespace faceflow::internal::flow
