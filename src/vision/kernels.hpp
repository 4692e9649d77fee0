// SPDX-License-Identifier: Apache-2.0
// The pixel and geometry work of the stages, as a device runs it. All pointers are device addresses; every call adds work
// to a stream and returns at once: what it was given by value or as a span may go, what pointers point at must outlive that
// work. A call works on a pass: up to max_pass_frames frames, of one source or several, together.
#pragma once

#include <memory>
#include <span>

#include "device/device.hpp"
#include "vision/detect.hpp"
#include "vision/mesh.hpp"
#include "vision/records.hpp"
#include "vision/sampling.hpp"

namespace faceflow::vision {

// Where crops go: pictures one after the other, of as many regions as go at once.
struct crop_target {
    std::byte* data = nullptr;
    std::int32_t size = 192;  // of a side
    std::int32_t capacity = 0;
    float scale = 1, bias = 0;
    tensor_format format = tensor_format::planar_float;

    [[nodiscard]] tensor_target picture(std::byte* at) const { return {at, size, size, scale, bias, format}; }
};

struct mesh_output {
    const float* landmarks = nullptr;  // capacity x 478 x 3
    const float* scores = nullptr;     // capacity
};

class kernels {
public:
    virtual ~kernels() = default;

    // Whole frames into the detector's input: frame i into picture i of the batch that begins at `target`.
    virtual void letterbox(stream& s, std::span<const image> pictures,
                           std::span<const faceflow::vision::letterbox> fits, const tensor_target& target) = 0;

    // Detector outputs, one per frame -> `faces.of`, best first. `scratch`: one per frame.
    virtual void detect(stream& s, std::span<const detector_output> outputs, const detect_options& options,
                        detect_scratch* scratch, const face_table& faces) = 0;

    // Faces [first, first + capacity) of the pass, as far as there are so many, all in one go.
    virtual void crop(stream& s, std::span<const image> pictures, const face_table& faces, std::int32_t first,
                      const crop_target& target) = 0;

    // Mesh outputs of those faces -> their records in `results`; the headers are brought up to date. `options`: one per
    // frame.
    virtual void finish(stream& s, const face_table& faces, std::int32_t first, std::int32_t capacity,
                        const mesh_output& mesh, std::span<const mesh_options> options,
                        const pass_results& results) = 0;

    // Faces of one frame of a pass -> where to look in the next of its source, if the detector skips that. Faces whose
    // presence was below `min_presence` are let go.
    virtual void propagate(stream& s, const pass_results& results, std::int32_t frame, float min_presence,
                           float region_scale, detection_set* faces) = 0;
};

// The device's own. It outlives them.
[[nodiscard]] std::unique_ptr<kernels> make_kernels(device& d);

// For devices that compute on the host.
[[nodiscard]] std::unique_ptr<kernels> make_host_kernels(device& d);

}  // namespace faceflow::vision
