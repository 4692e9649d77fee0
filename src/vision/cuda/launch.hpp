// The launches of the stages' kernels, apart from those who include no CUDA language. Each adds one kernel to the stream and
// returns what the launch did: errors of the kernel itself come up when the host waits for the stream. The device that the
// stream belongs to is current. Addresses in a pass are device addresses.
#pragma once

#include <cuda_runtime_api.h>

#include "vision/block_kernels.hpp"

namespace faceflow::vision {

// All frames of the pass.
[[nodiscard]] cudaError_t launch_letterbox(cudaStream_t on, const letterbox_pass& pass);
// `capacity` crops; those that the pass has no face for are left as they are.
[[nodiscard]] cudaError_t launch_crop(cudaStream_t on, const crop_pass& pass, std::int32_t capacity);
// A block per frame.
[[nodiscard]] cudaError_t launch_detect(cudaStream_t on, const detect_pass& pass);
// A block per record.
[[nodiscard]] cudaError_t launch_finish(cudaStream_t on, const finish_pass& pass);
[[nodiscard]] cudaError_t launch_carry(cudaStream_t on, const pass_results& before, std::int32_t frame,
                                       float min_presence, float region_scale, detection_set* faces);

}  // namespace faceflow::vision
