// SPDX-License-Identifier: Apache-2.0
// The video inputs and decoders of this machine.
#pragma once

#include <string>
#include <vector>

namespace faceflow::internal::media {

struct camera {
    std::string path;  // /dev/video0
    std::string name;  // from its driver; empty if it cannot be opened
    bool readable = false;
};

// Capture devices, in natural order; those that may not be opened are listed as not readable.
[[nodiscard]] std::vector<camera> list_cameras();

// The version of the FFmpeg in use, for example "5.1.9-0+deb12u1".
[[nodiscard]] std::string ffmpeg_version();

// The kinds of hardware decoding that this FFmpeg supports, each with whether such a device opens here: "cuda (not
// available here)", "vaapi". Opens devices: takes up to some 100 ms.
[[nodiscard]] std::vector<std::string> hardware_decoders();

}  // namespace faceflow::internal::media
