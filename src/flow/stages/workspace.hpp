// SPDX-License-Identifier: Apache-2.0
// The device memory that one pass needs, allocated once, with the models bound to it.
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

namespace faceflow::flow {

// Faces that are cropped and meshed in one go for each frame of a pass; more take several goes.
inline constexpr std::int32_t mesh_batch = 8;
// And for a whole pass, where many go at once; bounds the memory that the mesh model works in.
inline constexpr std::int32_t max_mesh_batch = 64;

// How much goes through the stages together.
struct pass_shape {
    std::int32_t frames = 1;
    std::int32_t max_faces = 100;  // per frame
    std::int32_t mesh_faces = mesh_batch;
    vision::tensor_format crops = vision::tensor_format::planar_float;

    [[nodiscard]] std::size_t set_bytes() const;  // of one frame's detection set
    [[nodiscard]] std::size_t results_bytes() const;
    // Records that there is room for in those.
    [[nodiscard]] std::int32_t records() const { return frames * max_faces + mesh_faces - 1; }  // of the pass's
};

// What the detect stage needs: the detector bound to memory for each frame, and the scratch of decoding.
class detector_memory {
public:
    // `scratch`, where given, is inference::binding_request::scratch, as much as scratch_bytes() says.
    [[nodiscard]] static result<detector_memory> create(stream& s, const model_set& models, std::int32_t frames,
                                                        std::byte* scratch = nullptr);
    [[nodiscard]] static std::size_t scratch_bytes(const model_set& models, std::int32_t frames);

    // Where picture 0 of the detector's input goes; the others follow.
    [[nodiscard]] vision::tensor_target input() const;
    vision::detect_scratch* scratch() const { return scratch_.as<vision::detect_scratch>(); }
    // Of frame i of the batch.
    const vision::detector_output& outputs(std::int32_t i) const { return outputs_[static_cast<std::size_t>(i)]; }
    [[nodiscard]] std::int32_t frames() const { return static_cast<std::int32_t>(outputs_.size()); }
    // The detector on the first n frames.
    void add_run(stream& s, std::int32_t n) { model_->add_run(s, 0, n); }
    // Of the second look; null: there is none.
    detector_memory* fine() const { return fine_.get(); }

private:
    std::unique_ptr<inference::bound_network> model_;
    inference::picture_form form_;
    std::int32_t width_ = 0, height_ = 0;
    device_buffer scratch_;
    std::vector<vision::detector_output> outputs_;
    std::unique_ptr<detector_memory> fine_;
};

// `capacity` crops at a device address, as the mesh model wants them.
[[nodiscard]] vision::crop_target crops_at(std::byte* data, std::int32_t capacity, const inference::picture_form& form);

// What the landmark stage needs: the mesh model, bound to crops.
class mesh_memory {
public:
    // The crops may lie elsewhere: `crops` is then a device address that outlives this. `scratch` as above.
    [[nodiscard]] static result<mesh_memory> create(stream& s, const model_set& models, std::int32_t faces,
                                                    std::byte* crops = nullptr, std::byte* scratch = nullptr);
    [[nodiscard]] static std::size_t scratch_bytes(const model_set& models, std::int32_t faces);
    static std::size_t crops_bytes(std::int32_t faces,
                                   vision::tensor_format format = vision::tensor_format::planar_float);
    // What the mesh model makes of so many: landmarks, and scores.
    static std::size_t landmarks_bytes(std::int32_t faces);
    static std::size_t scores_bytes(std::int32_t faces);

    std::int32_t capacity() const { return capacity_; }
    // All of them.
    [[nodiscard]] vision::crop_target crops() const;
    [[nodiscard]] vision::mesh_output outputs() const;
    inference::bound_network& model() { return *model_; }

private:
    std::unique_ptr<inference::bound_network> model_;
    inference::picture_form form_;
    std::int32_t capacity_ = 0;
    std::string landmarks_, score_;  // the outputs' names
};

// All of a pass on one device.
class workspace {
public:
    // Models are bound for work on `s`, or for meshes on `of_mesh`. On one stream they share their scratch.
    [[nodiscard]] static result<workspace> create(stream& s, stream& of_mesh, const model_set& models,
                                                  const pass_shape& shape);
    [[nodiscard]] static result<workspace> create(stream& s, const model_set& models, const pass_shape& shape) {
        return create(s, s, models, shape);
    }

    const pass_shape& shape() const { return shape_; }
    detector_memory& detector() { return detector_; }
    mesh_memory& mesh() { return mesh_; }
    // Where the detector's faces of frame i of the pass go.
    vision::detection_set* faces(std::int32_t i) const;
    vision::pass_results results(std::int32_t frames) const { return {results_.as<vision::result_header>(), frames}; }

private:
    pass_shape shape_;
    device_buffer scratch_;  // the models'; before those that use it
    detector_memory detector_;
    mesh_memory mesh_;
    device_buffer faces_, results_;
};

}  // namespace faceflow::flow
