// SPDX-License-Identifier: Apache-2.0
#include "vision/block_kernels.hpp"

#include <algorithm>

#include "vision/mesh_data.hpp"

namespace faceflow::internal::vision {

letterbox_pass make_letterbox_pass(std::span<const image> pictures, std::span<const letterbox> fits,
                                   const tensor_target& target) {
    letterbox_pass pass;
    pass.frames = static_cast<std::int32_t>(pictures.size());
    pass.target = target;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        letterbox_pass::one& one = pass.of[i];
        one.source = make_sampling_source(pictures[i]);
        one.stored_from_target = compose(one.source.stored, frame_from_letterbox(fits[i]));
        one.x_begin = fits[i].x_begin;
        one.x_end = fits[i].x_end;
        one.y_begin = fits[i].y_begin;
        one.y_end = fits[i].y_end;
    }
    return pass;
}

crop_pass make_crop_pass(std::span<const image> pictures, const face_table& faces, std::int32_t first,
                         const tensor_target& target) {
    crop_pass pass;
    std::transform(pictures.begin(), pictures.end(), pass.source, make_sampling_source);
    pass.faces = faces;
    pass.first = first;
    pass.target = target;
    return pass;
}

detect_pass make_detect_pass(std::span<const detector_output> outputs, const detect_options& options,
                             detect_scratch* scratch, const face_table& faces) {
    detect_pass pass;
    std::copy(outputs.begin(), outputs.end(), pass.outputs);
    pass.options = options;
    pass.scratch = scratch;
    pass.faces = faces;
    return pass;
}

merge_pass make_merge_pass(const face_table& found, const face_table& faces, std::span<const bool> begins,
                           const merge_options& options) {
    merge_pass pass;
    pass.found = found;
    pass.faces = faces;
    pass.options = options;
    std::copy(begins.begin(), begins.end(), pass.begins);
    return pass;
}

finish_pass make_finish_pass(const face_batch& batch, const mesh_output& mesh, std::span<const mesh_options> options,
                             const pass_results& results) {
    finish_pass pass;
    pass.faces = batch.faces;
    pass.first = batch.first;
    pass.capacity = batch.capacity;
    pass.mesh = mesh;
    std::copy(options.begin(), options.end(), pass.options);
    pass.results = results;
    pass.anchor_count = canonical_anchors(pass.anchors);
    return pass;
}

std::int32_t canonical_anchors(std::span<pose_anchor, max_pose_anchors> into) {
    const auto vertices = mesh::canonical_vertices();
    const auto basis = mesh::procrustes_basis();
    const std::size_t count = std::min(basis.size(), into.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto& v = vertices[static_cast<std::size_t>(basis[i].index)];
        into[i] = {basis[i].index, basis[i].weight, v[0], v[1], v[2]};
    }
    return static_cast<std::int32_t>(count);
}

}  // namespace faceflow::internal::vision
