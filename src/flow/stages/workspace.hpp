// SPDX-License-Identifier: Apache-2.0
// The device memory of one pass, allocated once, with the models bound to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "flow/stages/models.hpp"
#include "inference/network.hpp"
#include "vision/kernels.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::flow {

// Faces cropped and meshed in one batch per frame of a pass; more faces take several batches.
inline constexpr std::int32_t mesh_batch = 8;
// The limit for a pass of many frames; bounds the mesh model's memory.
inline constexpr std::int32_t max_mesh_batch = 64;

// The dimensions of a pass.
struct pass_shape {
    std::int32_t frames = 1;
    std::int32_t max_faces = 100;  // per frame
    std::int32_t mesh_faces = mesh_batch;
    crop_shape crops = {};

    [[nodiscard]] std::size_t set_bytes() const;  // of one frame's detection set
    [[nodiscard]] std::size_t results_bytes() const;
    // The records that fit into the results.
    [[nodiscard]] std::int32_t records() const { return frames * max_faces + mesh_faces - 1; }
};

// The memory of the detect stage: the detector bound to memory for each frame, and scratch for decoding.
class detector_memory {
public:
    // `scratch`, if given, is inference::binding_request::scratch, of scratch_bytes() bytes.
    [[nodiscard]] static result<detector_memory> create(stream& s, const model_set& models, std::int32_t frames,
                                                        std::byte* scratch = nullptr);
    [[nodiscard]] static std::size_t scratch_bytes(const model_set& models, std::int32_t frames);

    // The input of picture 0; the others follow it.
    [[nodiscard]] vision::tensor_target input() const;
    [[nodiscard]] std::size_t input_bytes() const;  // of all pictures
    vision::detect_scratch* scratch() const { return scratch_.as<vision::detect_scratch>(); }
    // The outputs of frame i of the batch.
    const vision::detector_output& outputs(std::int32_t i) const { return outputs_[static_cast<std::size_t>(i)]; }
    [[nodiscard]] std::int32_t frames() const { return static_cast<std::int32_t>(outputs_.size()); }
    // Adds a run of the detector on the first n frames.
    void add_run(stream& s, std::int32_t n) { model_->add_run(s, 0, n); }
    // For tiles; null if there are none.
    detector_memory* of_tiles() const { return of_tiles_.get(); }

private:
    std::unique_ptr<inference::bound_network> model_;
    inference::picture_form form_;
    std::int32_t width_ = 0, height_ = 0;
    device_buffer scratch_;
    std::vector<vision::detector_output> outputs_;
    std::unique_ptr<detector_memory> of_tiles_;
};

// `capacity` crops at a device address, in the form that the mesh model expects.
[[nodiscard]] vision::crop_target crops_at(std::byte* data, std::int32_t capacity, const crop_shape& shape);

// The memory of the landmark stage: the mesh model, bound to crops.
class mesh_memory {
public:
    // If given, `crops` is a device address of external crops, which outlive this. `scratch` as above.
    [[nodiscard]] static result<mesh_memory> create(stream& s, const model_set& models, std::int32_t faces,
                                                    std::byte* crops = nullptr, std::byte* scratch = nullptr);
    [[nodiscard]] static std::size_t scratch_bytes(const model_set& models, std::int32_t faces);
    // Sizes of the mesh model's outputs for that many faces.
    static std::size_t landmarks_bytes(std::int32_t faces);
    static std::size_t scores_bytes(std::int32_t faces);

    std::int32_t capacity() const { return capacity_; }
    // All crops.
    [[nodiscard]] vision::crop_target crops() const;
    [[nodiscard]] vision::mesh_output outputs() const;
    inference::bound_network& model() { return *model_; }
    // Reads outputs().points; null: the mesh has no model of blendshapes.
    inference::bound_network* blendshapes() { return blendshapes_.get(); }
    [[nodiscard]] const float* blendshape_values() const;

private:
    std::unique_ptr<inference::bound_network> model_, blendshapes_;
    crop_shape crops_;
    std::int32_t capacity_ = 0;
    std::string landmarks_, score_, values_;  // names of the outputs
};

// All memory of a pass on one device.
class workspace {
public:
    // Binds the models for work on `s`, and the mesh model for `of_mesh`. If both are one stream, the models share
    // scratch, and on a GPU crops the memory of the detector's input where that is large enough.
    [[nodiscard]] static result<workspace> create(stream& s, stream& of_mesh, const model_set& models,
                                                  const pass_shape& shape);
    [[nodiscard]] static result<workspace> create(stream& s, const model_set& models, const pass_shape& shape) {
        return create(s, s, models, shape);
    }

    const pass_shape& shape() const { return shape_; }
    detector_memory& detector() { return detector_; }
    mesh_memory& mesh() { return mesh_; }
    // The detection set of frame i of the pass.
    vision::detection_set* faces(std::int32_t i) const;
    vision::pass_results results(std::int32_t frames) const { return {results_.as<vision::result_header>(), frames}; }

private:
    pass_shape shape_;
    device_buffer scratch_;  // for the models; declared before them
    detector_memory detector_;
    mesh_memory mesh_;
    device_buffer faces_, results_;
};

}  // namespace faceflow::internal::flow
