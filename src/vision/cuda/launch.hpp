// SPDX-License-Identifier: Apache-2.0
// Launches the stages' kernels, for code that is not compiled as CUDA. Each function adds one kernel to the stream, or
// nothing if there is no work and no capture. Addresses in a pass are device addresses.
#pragma once

#include "device/cuda/cuda_stream.hpp"
#include "vision/block_kernels.hpp"

namespace faceflow::internal::vision {

// For all frames of the pass.
void add_letterbox(cuda_stream& s, const letterbox_pass& pass);
// For `capacity` crops; crops without a face are left unchanged.
void add_crop(cuda_stream& s, const crop_pass& pass, std::int32_t capacity);
// One block per frame.
void add_detect(cuda_stream& s, const detect_pass& pass);
// Two blocks per record.
void add_finish(cuda_stream& s, const finish_pass& pass);
// One block per record.
void add_blendshapes(cuda_stream& s, const blendshape_pass& pass);
// One block per frame.
void add_merge(cuda_stream& s, const merge_pass& pass);
void add_propagate(cuda_stream& s, const pass_results& before, float min_presence, const face_table& faces);

}  // namespace faceflow::internal::vision
