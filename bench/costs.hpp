// SPDX-License-Identifier: Apache-2.0
// What each stage must at least read, write and compute for one frame, declared rather than measured: its floor on a
// machine follows from it.
#pragma once

#include <string>
#include <vector>

#include "faceflow/types.hpp"
#include "machine.hpp"
#include "phases.hpp"

namespace faceflow::internal::bench {

struct stage_cost {
    std::string name;
    double ms = 0;  // measured: decoding in CPU time, the others in the time of their thread while all cores are busy
    double bytes = 0;  // that must be read or written
    double flops = 0;
};

// Of a frame of the clip with four faces at the default options.
[[nodiscard]] std::vector<stage_cost> stage_costs(const decode_cost& decode, const whole_cost& whole);

struct floor_of_stage {
    double memory_ms = 0, compute_ms = 0;  // on one core, with its share of the machine's limits
    const char* nearest = "";              // the limit that gives the higher floor
    double share = 0;                      // of it that is reached: floor / measured
};
[[nodiscard]] floor_of_stage floor_for(const stage_cost& stage, const machine_limits& limits, unsigned cores);

// Of one launch of a kernel on a 1920x1080 frame.
struct kernel_cost {
    double bytes = 0, flops = 0;
};
[[nodiscard]] kernel_cost letterbox_cost(pixel_format format, double tensor_pixel = 3 * sizeof(float));
// Faces whose regions are `region_side` pixels wide.
inline constexpr double region_side = 400;
[[nodiscard]] kernel_cost crop_cost(pixel_format format, int faces, double tensor_pixel = 3 * sizeof(float));
// RetinaFace's outputs at 640x384, `candidates` cells above the threshold.
[[nodiscard]] kernel_cost detect_cost(int candidates, int faces);
[[nodiscard]] kernel_cost finish_cost(int faces);

// Of one run of a model on so many pictures.
struct model_cost {
    double flops = 0;
    double fused_bytes = 0;    // weights, input and outputs: what must move if nothing else leaves the chip
    double unfused_bytes = 0;  // what its nodes read and write when none is fused with the next
};
[[nodiscard]] model_cost detector_cost(int frames);
[[nodiscard]] model_cost mesh_cost(int faces);

}  // namespace faceflow::internal::bench
