// SPDX-License-Identifier: Apache-2.0
// Packets that a decoder can begin with.
#pragma once

#include "media/ffmpeg.hpp"
#include "media/orientation.hpp"

namespace faceflow::media {

// Whether a decoder that has seen nothing before makes of the packet, and of all behind it, what one makes that has: it holds an IDR
// picture of H.264 or HEVC (ITU-T H.264, table 7-1; H.265, table 7-1). Other key frames are not enough, since pictures that are
// shown before them may need earlier ones. False for other codecs. `extradata` says how units are told apart. Safe on any
// bytes.
[[nodiscard]] bool is_entry_packet(AVCodecID codec, file_bytes extradata, file_bytes packet) noexcept;

}  // namespace faceflow::media
