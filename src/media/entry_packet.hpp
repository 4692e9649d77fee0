// SPDX-License-Identifier: Apache-2.0
// Packets at which a decoder can start.
#pragma once

#include "media/ffmpeg.hpp"
#include "media/orientation.hpp"

namespace faceflow::internal::media {

// Whether a fresh decoder decodes this packet and all later ones exactly as one that has decoded everything before:
// true for an IDR picture of H.264 or HEVC (ITU-T H.264, table 7-1; H.265, table 7-1). Other key frames do not suffice,
// since pictures shown before them may need earlier ones. False for other codecs. `extradata` says how units are
// separated. Safe on any bytes.
[[nodiscard]] bool is_entry_packet(AVCodecID codec, file_bytes extradata, file_bytes packet) noexcept;

}  // namespace faceflow::internal::media
