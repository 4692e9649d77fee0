// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/multi_process_plan.hpp"

#include <algorithm>
#include <string>

#include "device/memory.hpp"
#include "flow/multi_process/shared_executor.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "flow/multi_process/transfer_buffer_layout.hpp"
#include "frame/layout.hpp"
#include "media/to_bgr.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::flow {
namespace {

using vision::pass_results;

constexpr auto pool_bytes = capped_resource::counted;

std::uint64_t crops(std::int32_t n) {
    return crop_shape().bytes(n);
}

std::string process_name(stage_role role) {
    return std::string(name(role));
}

std::uint64_t bgr_bytes(const plan_request& r) {
    image picture;
    picture.format = r.format;
    picture.width = r.width;
    picture.height = r.height;
    picture = media::bgr_converter::target_of(picture);
    return native_bytes(picture.format, picture.width, picture.height);
}

// In batches; the first also carries the faces, and its number of crops is a guess from the previous frame.
void crops_down_in_batches(flow_planner& p, const transfer_buffer_layout& buffer, std::int32_t faces) {
    const std::int32_t batch = buffer.at_once, guess = std::clamp(faces, 1, batch);
    p.down_and_wait(buffer.crop_at(guess));
    for (std::int32_t first = batch; first < faces; first += batch)
        p.down_and_wait(crops(std::min(batch, faces - first)));
    if (guess > 1) p.first_frame({1, 0, 1});
}

void landmarks_in_batches(flow_planner& p, const transfer_buffer_layout& buffer, std::int32_t faces) {
    const std::int32_t batch = buffer.at_once;
    p.up(buffer.crop_at(std::min(batch, faces)));
    for (std::int32_t first = batch; first < faces; first += batch) {
        p.wait();  // until the staging memory of the last batch is free
        p.up(crops(std::min(batch, faces - first)));
    }
    p.down(pass_results::bytes(1, faces));
    p.wait();
}

// The faces go up with the first crop, the header comes down with the first record.
void landmarks_one_by_one(flow_planner& p, const transfer_buffer_layout& buffer, std::int32_t faces) {
    p.up(buffer.crop_at(1));
    p.down_and_wait(pass_results::bytes(1, 1));
    if (faces == 1) return;
    p.up(crops(1), faces - 1);
    p.down_and_wait(pass_results::bytes(1, 2) - pass_results::bytes(1, 1), faces - 1);
}

std::uint64_t landmark_bytes(const flow_planner& p, const transfer_buffer_layout& buffer) {
    return pool_bytes(buffer.bytes()) + flow_planner::mesh_outputs_bytes(buffer.at_once) +
           pool_bytes(p.shape().results_bytes());
}

}  // namespace

flow_plan plan_shared(const plan_request& r) {
    flow_planner p(r, native_frame_bytes(r));
    p.frame_up();
    p.results_down();

    constexpr std::uint64_t buffers = frames_in_flight;
    const std::uint64_t tracked = pool_bytes(tracked_slot_bytes(p.shape())) * static_cast<std::uint64_t>(r.cameras);
    p.add_pool("faceflow", p.slots_bytes(buffers, true),
               buffers * pool_bytes(buffer_layout::of(p.shape()).bytes) + tracked);
    p.add_pool(process_name(stage_role::detect), 0, p.detector_bytes());
    p.add_pool(process_name(stage_role::landmark), 0, buffers * flow_planner::mesh_outputs_bytes(p.shape().mesh_faces));
    return p.take();
}

// Three processes: each receives its input, and each face is sent on its own. Without faces, the last two are not
// called.
flow_plan plan_copied(const plan_request& r) {
    flow_planner p(r, bgr_bytes(r));
    const auto buffer = transfer_buffer_layout::of(p.shape(), r.batch);
    p.frame_up();
    p.down_and_wait(buffer.crops_at);
    if (r.faces > 0) {
        p.frame_up();
        p.up(vision::detection_set::bytes(static_cast<std::size_t>(r.faces)));
        p.down_and_wait(crops(1), r.faces);
        landmarks_one_by_one(p, buffer, r.faces);
    }

    p.add_pool(process_name(stage_role::detect), p.slots_bytes(1), pool_bytes(buffer.bytes()) + p.detector_bytes());
    p.add_pool(process_name(stage_role::region), r.faces > 0 ? p.slots_bytes(1) : 0, pool_bytes(buffer.bytes()));
    p.add_pool(process_name(stage_role::landmark), 0, landmark_bytes(p, buffer));
    return p.take();
}

// Two processes: a cache miss costs nothing here, as the frame is still held; without the cache it is uploaded twice.
flow_plan plan_cached(const plan_request& r) {
    flow_planner p(r, native_frame_bytes(r));
    const auto buffer = transfer_buffer_layout::of(p.shape(), r.batch);
    p.frame_up(r.cache ? 1 : 2);
    p.ask_cache();
    p.up(vision::detection_set::bytes(static_cast<std::size_t>(r.faces)));  // those that are followed into the frame
    if (r.batch) {
        crops_down_in_batches(p, buffer, r.faces);
        if (r.faces > 0) landmarks_in_batches(p, buffer, r.faces);
    } else {
        p.down_and_wait(buffer.crops_at);
        if (r.faces > 0) {
            p.down_and_wait(crops(1), r.faces);
            landmarks_one_by_one(p, buffer, r.faces);
        }
    }

    p.add_pool(process_name(stage_role::detect_region), p.kept_frames_bytes(1),
               pool_bytes(buffer.bytes()) + pool_bytes(p.shape().set_bytes()) + p.detector_bytes());
    p.add_pool(process_name(stage_role::landmark), 0, landmark_bytes(p, buffer));
    return p.take();
}

}  // namespace faceflow::internal::flow
