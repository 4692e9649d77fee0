// SPDX-License-Identifier: Apache-2.0
// The back ends by name, for the table in back_ends.cpp.
#pragma once

#include "backends/back_end.hpp"

namespace faceflow::internal {

extern const back_end cpu_back_end, emulated_back_end;
extern const back_end cuda_back_end;  // of cuda/, or of no_cuda/ in builds without CUDA

}  // namespace faceflow::internal
