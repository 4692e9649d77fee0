// SPDX-License-Identifier: Apache-2.0
// How a device's video decoder is opened; FFmpeg's headers are not needed to pass it on.
#pragma once

#include <memory>

#include "faceflow/result.hpp"

namespace faceflow::internal {
class stream;
}

namespace faceflow::internal::media {

class hardware;

// `by` is a stream of the device, and outlives the result. errc::unavailable with the reason when FFmpeg or the driver
// lacks the decoder.
using hardware_opener = result<std::unique_ptr<hardware>> (*)(stream& by);

}  // namespace faceflow::internal::media
