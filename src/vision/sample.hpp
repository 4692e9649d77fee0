// SPDX-License-Identifier: Apache-2.0
// Fills a model's input of planar floats from a picture: the CPU side of the sampling kernels.
#pragma once

#include "vision/sampling.hpp"

namespace faceflow::vision {

// Writes rows [row_begin, row_end) of `target`, columns [column_begin, column_end), sampling the upright frame at
// frame_from_tensor(u + 0.5, v + 0.5); outside of the picture its border repeats. Vectorised for the best instruction
// set of this CPU, chosen at run time; the same bytes on each of them. Thread-safe; does not allocate.
void sample(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target,
            std::int32_t row_begin, std::int32_t row_end, std::int32_t column_begin, std::int32_t column_end);

// The whole target.
inline void sample(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target) {
    sample(source, frame_from_tensor, target, 0, target.height, 0, target.width);
}

// Rows [row_begin, row_end) of the whole frame in `target` as `l` says; the padding becomes black.
void sample_letterbox(const sampling_source& source, const letterbox& l, const tensor_target& target,
                      std::int32_t row_begin, std::int32_t row_end);
inline void sample_letterbox(const sampling_source& source, const letterbox& l, const tensor_target& target) {
    sample_letterbox(source, l, target, 0, target.height);
}

// The same by the scalar functions alone: the reference that the vectorised code and the CUDA kernels are held to.
void sample_reference(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target);

// Name of the instruction set that `sample` uses here, for `faceflow doctor`.
[[nodiscard]] const char* sample_instruction_set();

}  // namespace faceflow::vision
