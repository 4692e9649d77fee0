// SPDX-License-Identifier: Apache-2.0
// A model of a card's decoder, for emulated devices: FFmpeg's software decoder, whose pictures a task on the stream writes
// to device memory without a transfer.
#pragma once

#include <memory>

#include "media/hardware.hpp"

namespace faceflow::internal::media {

[[nodiscard]] result<std::unique_ptr<hardware>> open_emulated_hardware(stream& by);

}  // namespace faceflow::internal::media
