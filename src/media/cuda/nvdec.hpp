// SPDX-License-Identifier: Apache-2.0
// The video decoder of an NVIDIA GPU. Those who include this need no CUDA header.
#pragma once

#include <memory>

#include "media/hardware.hpp"

namespace faceflow::media {

// FFmpeg's CUDA hardware frames, on the device's primary context and in the order of `by`: the decoder's post-processing
// is added to that stream, the copy into a slot comes behind it. What FFmpeg cannot have the card decode (a codec or profile
// that it lacks) it decodes on the CPU. FFmpeg opens libnvcuvid.so.1 and libcuda.so.1 by itself.
[[nodiscard]] result<std::unique_ptr<hardware>> open_nvdec(stream& by);

}  // namespace faceflow::media
