// SPDX-License-Identifier: Apache-2.0
// Fills a model's input with planar floats from a picture: the CPU implementation of sampling.
#pragma once

#include "vision/sampling.hpp"

namespace faceflow::internal::vision {

// Rows [row_begin, row_end) and columns [column_begin, column_end) of a target.
struct pixel_range {
    std::int32_t row_begin = 0, row_end = 0;
    std::int32_t column_begin = 0, column_end = 0;
};

inline pixel_range whole(const tensor_target& t) {
    return {0, t.height, 0, t.width};
}

// Writes the pixels `of` the target, sampling the upright frame at frame_from_tensor(u + 0.5, v + 0.5); outside the
// picture, its border repeats. Vectorised for the best instruction set of this CPU, chosen at run time, with the same
// bytes on each, which are those of the scalar functions. Thread-safe; does not allocate.
void sample(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target,
            const pixel_range& of);

// The whole target.
inline void sample(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target) {
    sample(source, frame_from_tensor, target, whole(target));
}

// Writes rows [row_begin, row_end) of the whole frame placed by `l`; the padding becomes black.
void sample_letterbox(const sampling_source& source, const letterbox& l, const tensor_target& target,
                      std::int32_t row_begin, std::int32_t row_end);
inline void sample_letterbox(const sampling_source& source, const letterbox& l, const tensor_target& target) {
    sample_letterbox(source, l, target, 0, target.height);
}

// The same by the scalar functions only: the reference for the vectorised code and the CUDA kernels.
void sample_reference(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target);

// The instruction set that `sample` uses here, for `faceflow doctor`.
[[nodiscard]] const char* sample_instruction_set();

}  // namespace faceflow::internal::vision
