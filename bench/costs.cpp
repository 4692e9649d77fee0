// SPDX-License-Identifier: Apache-2.0
#include "costs.hpp"

#include <algorithm>

#include "frame/layout.hpp"
#include "vision/quality.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::bench {
namespace {

// From bench/count_flops.py: the models' arithmetic and weights at the sizes that a run uses.
constexpr double detector_flops = 1312.8e6, detector_weights = 2.007e6;
constexpr double mesh_flops = 102.4e6, mesh_weights = 4.808e6;
// What the nodes of each write for one picture.
constexpr double detector_tensors = 114.866e6, mesh_tensors = 26.821e6;

constexpr double faces = static_cast<double>(faces_per_frame);
constexpr double detector_pixels = 640 * 384, letterbox_pixels = 640 * 360, crop_pixels = 192 * 192;
constexpr double tensor_pixel = 3 * sizeof(float);
// 15 float maps a cell and anchor (2 scores, 4 box, 10 keypoint values, less the background's twin), 2 anchors a cell.
constexpr double detector_cells = 80 * 48 + 40 * 24 + 20 * 12;
constexpr double detector_outputs = detector_cells * 32 * sizeof(float);
// A pixel is three bilinear look-ups (8 FLOPs each and their positions), a colour matrix, clamps, scale and bias.
constexpr double flops_per_sample = 50;
constexpr double mesh_values = 478 * 3 * sizeof(float);

}  // namespace

std::vector<stage_cost> stage_costs(const decode_cost& decode, const whole_cost& whole) {
    const double decode_ms = decode.cpu_seconds / static_cast<double>(decode.frames) * 1e3;
    const double text = whole.result_bytes / static_cast<double>(whole.frames);
    // The letterbox takes two of three rows at 1080p; a cache line of a row is read whole.
    const double rows_read = std::min(1.0, 2.0 * 360 / std::max(1, decode.height));
    // A face of the clip fills some 400 x 400 px: the region's pixels at 1.5 bytes.
    const double region_pixels = 400 * 400;
    return {
        // Written once, and once as much read from the pictures that it is predicted from. Its operations are not counted:
        // they are integer and depend on the stream.
        {"decode (H.264)", decode_ms, 2 * decode.frame_bytes, 0},
        // The tensors between the stage's parts are written and read.
        {"detect: letterbox, model, NMS", whole.detect_ms,
         decode.frame_bytes * rows_read + 2 * detector_pixels * tensor_pixel + detector_weights + 2 * detector_outputs,
         letterbox_pixels * flops_per_sample + detector_flops},
        {"region: 4 crops", whole.region_ms, faces * (region_pixels * 1.5 + crop_pixels * tensor_pixel),
         faces * crop_pixels * flops_per_sample},
        {"landmark: 4 meshes, poses", whole.landmark_ms,
         mesh_weights + faces * (crop_pixels * tensor_pixel + 3 * mesh_values), faces * (mesh_flops + 478 * 60)},
        {"track", whole.track_ms, faces * 100, faces * 500},
        {"sink: NDJSON", whole.sink_ms, faces * mesh_values + 2 * text, faces * (478 * 3 + 40) * 10},
    };
}

kernel_cost letterbox_cost(pixel_format format, double written) {
    return {static_cast<double>(native_bytes(format, 1920, 1080)) * 2 / 3 + detector_pixels * written,
            letterbox_pixels * flops_per_sample};
}

kernel_cost crop_cost(pixel_format format, int count, double written) {
    const double pixel = static_cast<double>(native_bytes(format, 1920, 1080)) / (1920 * 1080);
    return {count * (region_side * region_side * pixel + crop_pixels * written),
            count * crop_pixels * flops_per_sample};
}

kernel_cost detect_cost(int candidates, int count) {
    // Every cell's score is read; of a candidate 14 values, which become a detection of some 70 bytes on the way through
    // scratch memory. Comparing: each candidate with the faces kept so far, at most.
    const double cells = 2 * detector_cells;
    return {cells * sizeof(float) + candidates * (14 * sizeof(float) + 2 * 8) + count * sizeof(vision::detection),
            cells + candidates * 40.0 + static_cast<double>(candidates) * count * 12};
}

kernel_cost finish_cost(int count) {
    // Of each pixel of the patch: luma, and the sums of it and of its Laplacian.
    constexpr double patch = 1.0 * vision::patch_size * vision::patch_size;
    return {count * (mesh_values + 12 * patch + sizeof(vision::detection) + sizeof(vision::face_record)),
            count * (478.0 * 60 + 20 * patch)};
}

model_cost detector_cost(int frames) {
    return {frames * detector_flops, detector_weights + frames * (detector_pixels * tensor_pixel + detector_outputs),
            detector_weights + frames * 2 * detector_tensors};
}

model_cost mesh_cost(int count) {
    return {count * mesh_flops, mesh_weights + count * (crop_pixels * tensor_pixel + mesh_values),
            mesh_weights + count * 2 * mesh_tensors};
}

floor_of_stage floor_for(const stage_cost& stage, const machine_limits& limits, unsigned cores) {
    floor_of_stage f;
    f.memory_ms = stage.bytes / (limits.copy_bytes_per_second / cores) * 1e3;
    f.compute_ms = stage.flops / (limits.flops_per_second / cores) * 1e3;
    f.nearest = f.memory_ms > f.compute_ms ? "memory" : "arithmetic";
    f.share = stage.ms > 0 ? std::max(f.memory_ms, f.compute_ms) / stage.ms : 0;
    return f;
}

}  // namespace faceflow::internal::bench
