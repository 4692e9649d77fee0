// The device memory that one frame in work needs, allocated once, with the models bound to it.
#pragma once

#include <cstdint>
#include <vector>

#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "flow/models.hpp"
#include "inference/session.hpp"
#include "vision/records.hpp"

namespace faceflow::flow {

// Regions that are cropped and meshed in one go; more faces take several.
inline constexpr std::int32_t mesh_batch = 8;

class workspace {
public:
    [[nodiscard]] static result<workspace> create(device& on, const model_set& models, std::int32_t max_faces);

    float* detector_input() const { return detector_input_.as<float>(); }
    vision::detector_output detector_outputs(const model_set& models) const;
    vision::detect_scratch* scratch() const { return scratch_.as<vision::detect_scratch>(); }
    vision::detection_set* faces() const { return faces_.as<vision::detection_set>(); }
    float* crops() const { return crops_.as<float>(); }
    float* mesh_landmarks() const { return mesh_landmarks_.as<float>(); }
    float* mesh_scores() const { return mesh_scores_.as<float>(); }

    inference::binding& detector() { return detector_.front(); }
    // The mesh model bound to the first n crops, 1 <= n <= mesh_batch.
    inference::binding& mesh(std::int32_t n) { return mesh_[static_cast<std::size_t>(n - 1)]; }
    // The mesh model bound to crop i alone: what is left when batching is switched off.
    inference::binding& mesh_alone(std::int32_t i) { return mesh_alone_[static_cast<std::size_t>(i)]; }

private:
    device_buffer detector_input_, scratch_, faces_, crops_, mesh_landmarks_, mesh_scores_;
    std::vector<device_buffer> detector_outputs_;
    std::vector<inference::binding> detector_, mesh_, mesh_alone_;
};

}  // namespace faceflow::flow
