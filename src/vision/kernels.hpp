// SPDX-License-Identifier: Apache-2.0
// The pixel and geometry work of the stages, as a device runs it. All pointers are device addresses. Every call adds
// work to a stream and returns at once: arguments passed by value or as a span may be destroyed, memory behind pointers
// must outlive the work. A call processes a pass: up to max_pass_frames frames, of one source or several.
#pragma once

#include <memory>
#include <span>

#include "device/device.hpp"
#include "vision/detect.hpp"
#include "vision/merge.hpp"
#include "vision/mesh.hpp"
#include "vision/records.hpp"
#include "vision/sampling.hpp"

namespace faceflow::internal::vision {

// The target of crops: consecutive pictures, as many as regions are cropped at once.
struct crop_target {
    std::byte* data = nullptr;
    std::int32_t size = 192;  // pixels per side
    std::int32_t capacity = 0;
    float scale = 1, bias = 0;
    tensor_format format = tensor_format::planar_float;

    [[nodiscard]] tensor_target picture(std::byte* at) const { return {at, size, size, scale, bias, format}; }
};

class kernels {
public:
    virtual ~kernels() = default;

    // Scales whole frames into the detector's input: frame i into picture i of the batch that begins at `target`.
    virtual void letterbox(stream& s, std::span<const image> pictures,
                           std::span<const faceflow::internal::vision::letterbox> fits,
                           const tensor_target& target) = 0;

    // Detector outputs, one per frame -> `faces.of`, best first. `scratch`: one per frame.
    virtual void detect(stream& s, std::span<const detector_output> outputs, const detect_options& options,
                        detect_scratch* scratch, const face_table& faces) = 0;

    // Crops faces [first, first + capacity) of the pass, as far as there are that many, in one batch.
    virtual void crop(stream& s, std::span<const image> pictures, const face_table& faces, std::int32_t first,
                      const crop_target& target) = 0;

    // Mesh outputs of a batch, and the quality of its crops -> its records in `results`; updates the headers. `options`:
    // one per frame.
    virtual void finish(stream& s, const face_batch& batch, const mesh_output& mesh,
                        std::span<const mesh_options> options, const pass_results& results) = 0;

    // Blendshapes of a batch, `blendshape_count` for each face -> its records.
    virtual void put_blendshapes(stream& s, const face_batch& batch, const float* values,
                                 const pass_results& results) = 0;

    // Adds what was found in some frames to the faces that are followed there: found.of[i] -> faces.of[i]. `begins`: one
    // flag per frame, see merge_options; the options' own is ignored.
    virtual void merge(stream& s, const face_table& found, const face_table& faces, std::span<const bool> begins,
                       const merge_options& options) = 0;

    // Faces of a pass -> where to look in the next frame of each source, in `faces`; null for frames that none follows.
    // Drops faces with a presence below `min_presence`.
    virtual void propagate(stream& s, const pass_results& results, float min_presence, const face_table& faces) = 0;
};

// For devices that compute on the host; the device outlives them.
[[nodiscard]] std::unique_ptr<kernels> make_host_kernels(device& d);

}  // namespace faceflow::internal::vision
