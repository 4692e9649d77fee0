// SPDX-License-Identifier: Apache-2.0
// The stages' kernels, apart from those who include no CUDA language. Each adds one kernel to the stream, or nothing where there is
// nothing to do and no graph to be part of. Addresses in a pass are device addresses.
#pragma once

#include "device/cuda/cuda_stream.hpp"
#include "vision/block_kernels.hpp"

namespace faceflow::vision {

// All frames of the pass.
void add_letterbox(cuda_stream& s, const letterbox_pass& pass);
// `capacity` crops; those that the pass has no face for are left as they are.
void add_crop(cuda_stream& s, const crop_pass& pass, std::int32_t capacity);
// A block per frame.
void add_detect(cuda_stream& s, const detect_pass& pass);
// A block per record.
void add_finish(cuda_stream& s, const finish_pass& pass);
void add_carry(cuda_stream& s, const pass_results& before, std::int32_t frame, float min_presence, float region_scale,
               detection_set* faces);

}  // namespace faceflow::vision
