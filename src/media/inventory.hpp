// SPDX-License-Identifier: Apache-2.0
// What this machine can read video from, and with what.
#pragma once

#include <string>
#include <vector>

namespace faceflow::media {

struct camera {
    std::string path;  // /dev/video0
    std::string name;  // as its driver calls it; empty where it may not be asked
    bool readable = false;
};

// Devices that capture video, in natural order; those that may not be opened are listed as not readable.
[[nodiscard]] std::vector<camera> list_cameras();

// Of the FFmpeg at run time, for example "5.1.9-0+deb12u1".
[[nodiscard]] std::string ffmpeg_version();

// Kinds of hardware decoding that this FFmpeg was built with, each with whether a device of it opens here:
// "cuda (not available here)", "vaapi". Opens devices: takes up to some 100 ms.
[[nodiscard]] std::vector<std::string> hardware_decoders();

}  // namespace faceflow::media
