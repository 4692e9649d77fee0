// SPDX-License-Identifier: Apache-2.0
#include "vision/cuda/cuda_kernels.hpp"

#include "device/cuda/cuda_stream.hpp"
#include "vision/cuda/launch.hpp"

namespace faceflow::internal::vision {
namespace {

cuda_stream& stream_of(stream& s) {
    return static_cast<cuda_stream&>(s);
}

class cuda_kernels final : public kernels {
public:
    void letterbox(stream& s, std::span<const image> pictures,
                   std::span<const faceflow::internal::vision::letterbox> fits, const tensor_target& target) override {
        const letterbox_pass pass = make_letterbox_pass(pictures, fits, target);
        if (pass.frames > 0) add_letterbox(stream_of(s), pass);
    }

    void detect(stream& s, std::span<const detector_output> outputs, const detect_options& options,
                detect_scratch* scratch, const face_table& faces) override {
        const detect_pass pass = make_detect_pass(outputs, options, scratch, faces);
        if (faces.frames > 0) add_detect(stream_of(s), pass);
    }

    void crop(stream& s, std::span<const image> pictures, const face_table& faces, std::int32_t first,
              const crop_target& target) override {
        const crop_pass pass = make_crop_pass(pictures, faces, first, target.picture(target.data));
        if (target.capacity > 0) add_crop(stream_of(s), pass, target.capacity);
    }

    void finish(stream& s, const face_batch& batch, const mesh_output& mesh, std::span<const mesh_options> options,
                const pass_results& results) override {
        const finish_pass pass = make_finish_pass(batch, mesh, options, results);
        if (batch.capacity > 0) add_finish(stream_of(s), pass);
    }

    void put_blendshapes(stream& s, const face_batch& batch, const float* values,
                         const pass_results& results) override {
        if (batch.capacity > 0)
            add_blendshapes(stream_of(s), {batch.faces, batch.first, batch.capacity, values, results});
    }

    void merge(stream& s, const face_table& found, const face_table& faces, std::span<const bool> begins,
               const merge_options& options) override {
        if (faces.frames > 0) add_merge(stream_of(s), make_merge_pass(found, faces, begins, options));
    }

    void propagate(stream& s, const pass_results& results, float min_presence, const face_table& faces) override {
        if (faces.frames > 0) add_propagate(stream_of(s), results, min_presence, faces);
    }
};

}  // namespace

std::unique_ptr<kernels> make_cuda_kernels() {
    return std::make_unique<cuda_kernels>();
}

}  // namespace faceflow::internal::vision
