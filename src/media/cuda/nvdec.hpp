// SPDX-License-Identifier: Apache-2.0
// The video decoder of an NVIDIA GPU. Including this needs no CUDA header.
#pragma once

#include <memory>

#include "media/hardware.hpp"

namespace faceflow::internal::media {

// FFmpeg's CUDA hardware frames, on the device's primary context and in order on `by`: the decoder's post-processing is
// added to that stream, followed by the copy into a slot. What the card cannot decode (a codec or profile that it
// lacks), FFmpeg decodes on the CPU. FFmpeg loads libnvcuvid.so.1 and libcuda.so.1 itself.
[[nodiscard]] result<std::unique_ptr<hardware>> open_nvdec(stream& by);

}  // namespace faceflow::internal::media
