// The pixel and geometry work of the stages, as a device runs it. All pointers are device addresses; every call adds work
// to a stream and returns at once, so its arguments by pointer must outlive that work.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "vision/detect.hpp"
#include "vision/mesh.hpp"
#include "vision/records.hpp"
#include "vision/sampling.hpp"

namespace faceflow::vision {

struct crop_target {
    float* data = nullptr;  // capacity x 3 x size x size, values 0..1
    std::int32_t size = 192;
    std::int32_t capacity = 0;  // regions in one go
};

struct mesh_output {
    const float* landmarks = nullptr;  // capacity x 478 x 3
    const float* scores = nullptr;     // capacity
};

class kernels {
public:
    virtual ~kernels() = default;

    // The whole frame into the detector's input.
    virtual void letterbox(stream& on, const image& picture, const faceflow::vision::letterbox& fit,
                           const tensor_target& target) = 0;

    // Detector outputs -> `faces`, best first.
    virtual void detect(stream& on, const detector_output& output, const detect_options& options,
                        detect_scratch* scratch, detection_set* faces) = 0;

    // Faces of the frame before -> where to look in this one, for frames that the detector skips. Faces whose presence was
    // below `min_presence` are let go.
    virtual void carry(stream& on, const result_block* before, float min_presence, float region_scale,
                       detection_set* faces) = 0;

    // Regions [first, first + capacity) of `faces`, as far as there are so many, all in one go.
    virtual void crop(stream& on, const image& picture, const detection_set* faces, std::int32_t first,
                      const crop_target& target) = 0;

    // Mesh outputs of those regions -> records [first, …) of `results`; the header is brought up to date.
    virtual void finish(stream& on, const detection_set* faces, std::int32_t first, std::int32_t capacity,
                        const mesh_output& mesh, const mesh_options& options, result_block* results) = 0;
};

// For devices that compute on the host.
[[nodiscard]] std::unique_ptr<kernels> make_host_kernels(device& on);

}  // namespace faceflow::vision
