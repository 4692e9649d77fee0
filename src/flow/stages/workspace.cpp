// SPDX-License-Identifier: Apache-2.0
#include "flow/stages/workspace.hpp"

#include "core/try.hpp"
#include "vision/blendshapes.hpp"

#include <algorithm>

namespace faceflow::internal::flow {
namespace {

result<void> take(device& d, device_buffer& into, std::size_t bytes) {
    FACEFLOW_ASSIGN(into, device_buffer::allocate(d.pool(), bytes));
    return {};
}

inference::binding_request detector_request(const model_set& models, std::int32_t frames) {
    return {.height = models.detect_height,
            .width = models.detect_width,
            .most = frames,
            .outputs = models.detector_outputs()};
}

inference::binding_request mesh_request(const model_set& models, std::int32_t faces) {
    const std::int32_t size = models.mesh_graph.size;
    return {.height = size, .width = size, .most = faces, .outputs = models.mesh_outputs()};
}

}  // namespace

std::size_t pass_shape::set_bytes() const {
    constexpr std::size_t line = 64;
    return (vision::detection_set::bytes(static_cast<std::size_t>(max_faces)) + line - 1) / line * line;
}

std::size_t pass_shape::results_bytes() const {
    return vision::pass_results::bytes(frames, records());
}

std::size_t detector_memory::scratch_bytes(const model_set& models, std::int32_t frames) {
    const std::size_t bytes = models.detector->scratch_bytes(detector_request(models, frames));
    return models.of_tiles == nullptr ? bytes : std::max(bytes, scratch_bytes(*models.of_tiles, frames));
}

result<detector_memory> detector_memory::create(stream& s, const model_set& models, std::int32_t frames,
                                                std::byte* scratch) {
    detector_memory m;
    m.form_ = models.detector->form();
    m.width_ = models.detect_width;
    m.height_ = models.detect_height;
    auto wanted = detector_request(models, frames);
    wanted.scratch = scratch;
    FACEFLOW_ASSIGN(m.model_, models.detector->bind(s, wanted));
    for (std::int32_t i = 0; i < frames; ++i)
        m.outputs_.push_back(models.outputs_of(*m.model_, i));
    const std::size_t scratch_bytes = static_cast<std::size_t>(frames) * sizeof(vision::detect_scratch);
    FACEFLOW_TRY(take(s.owner(), m.scratch_, scratch_bytes));
    if (models.of_tiles != nullptr) {
        FACEFLOW_ASSIGN(auto tiled, create(s, *models.of_tiles, frames, scratch));
        m.of_tiles_ = std::make_unique<detector_memory>(std::move(tiled));
    }
    return m;
}

vision::tensor_target detector_memory::input() const {
    return {model_->input(), width_, height_, form_.scale, form_.bias, form_.format};
}

std::size_t detector_memory::input_bytes() const {
    return static_cast<std::size_t>(frames()) * input().bytes();
}

vision::crop_target crops_at(std::byte* data, std::int32_t capacity, const crop_shape& shape) {
    return {data, shape.size, capacity, shape.form.scale, shape.form.bias, shape.form.format};
}

std::size_t mesh_memory::landmarks_bytes(std::int32_t faces) {
    return static_cast<std::size_t>(faces) * landmark_count * 3 * sizeof(float);
}

std::size_t mesh_memory::scores_bytes(std::int32_t faces) {
    return static_cast<std::size_t>(faces) * sizeof(float);
}

std::size_t mesh_memory::scratch_bytes(const model_set& models, std::int32_t faces) {
    return models.mesh->scratch_bytes(mesh_request(models, faces));
}

result<mesh_memory> mesh_memory::create(stream& s, const model_set& models, std::int32_t faces, std::byte* crops,
                                        std::byte* scratch) {
    mesh_memory m;
    m.crops_ = models.crops();
    m.capacity_ = faces;
    m.landmarks_ = models.mesh_graph.output("landmarks");
    m.score_ = models.mesh_graph.output("score");
    auto wanted = mesh_request(models, faces);
    wanted.input = crops;
    wanted.scratch = scratch;
    FACEFLOW_ASSIGN(m.model_, models.mesh->bind(s, wanted));
    if (models.blendshapes == nullptr) return m;
    m.values_ = models.blendshapes_graph.output("blendshapes");
    FACEFLOW_ASSIGN(m.blendshapes_, models.blendshapes->bind(s, {.height = vision::blendshape_points,
                                                                 .width = 2,
                                                                 .most = faces,
                                                                 .outputs = models.blendshapes_outputs()}));
    return m;
}

vision::crop_target mesh_memory::crops() const {
    return crops_at(model_->input(), capacity_, crops_);
}

vision::mesh_output mesh_memory::outputs() const {
    auto* const points = blendshapes_ != nullptr ? reinterpret_cast<point*>(blendshapes_->input()) : nullptr;
    const vision::crop_target all = crops();
    return {model_->output(landmarks_), model_->output(score_), points, all.picture(all.data)};
}

const float* mesh_memory::blendshape_values() const {
    return blendshapes_->output(values_);
}

result<workspace> workspace::create(stream& s, stream& of_mesh, const model_set& models, const pass_shape& shape) {
    workspace w;
    w.shape_ = shape;
    const std::size_t scratch = std::max(detector_memory::scratch_bytes(models, shape.frames),
                                         mesh_memory::scratch_bytes(models, shape.mesh_faces));
    if (&s == &of_mesh && scratch > 0) {
        FACEFLOW_TRY(take(s.owner(), w.scratch_, scratch));
    }
    FACEFLOW_ASSIGN(w.detector_, detector_memory::create(s, models, shape.frames, w.scratch_.data()));
    // On one stream, crops are made when the detector has read its input, and read before the next pass: one memory.
    const bool fits = &s == &of_mesh && !s.owner().computes_on_host() &&
                      w.detector_.input_bytes() >= shape.crops.bytes(shape.mesh_faces);
    std::byte* const crops = fits ? w.detector_.input().data : nullptr;
    FACEFLOW_ASSIGN(w.mesh_, mesh_memory::create(of_mesh, models, shape.mesh_faces, crops, w.scratch_.data()));
    const std::size_t sets_bytes = static_cast<std::size_t>(shape.frames) * shape.set_bytes();
    FACEFLOW_TRY(take(s.owner(), w.faces_, sets_bytes));
    FACEFLOW_TRY(take(s.owner(), w.results_, shape.results_bytes()));
    return w;
}

vision::detection_set* workspace::faces(std::int32_t i) const {
    return reinterpret_cast<vision::detection_set*>(faces_.data() + static_cast<std::size_t>(i) * shape_.set_bytes());
}

}  // namespace faceflow::internal::flow
