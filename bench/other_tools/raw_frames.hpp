// SPDX-License-Identifier: Apache-2.0
// Raw 8-bit gray frames from standard input, and what a tool found in them as JSON lines on standard output.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

struct found_box {
    long x, y, width, height;
};

// find(gray picture) -> boxes. Usage of the program: PROGRAM WIDTH HEIGHT [more], frames on standard input.
// The clock runs from the first frame that is asked for to the last result, as it does for faceflow.
template <class Find>
int over_frames(int width, int height, Find find) {
    std::vector<unsigned char> picture(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
    using clock = std::chrono::steady_clock;
    const auto begun = clock::now();
    double own = 0;
    int frames = 0;
    while (std::fread(picture.data(), 1, picture.size(), stdin) == picture.size()) {
        const auto before = clock::now();
        const std::vector<found_box> boxes = find(picture.data());
        own += std::chrono::duration<double>(clock::now() - before).count();
        std::printf("{\"boxes\":[");
        for (std::size_t i = 0; i < boxes.size(); ++i) {
            std::printf("%s[%ld,%ld,%ld,%ld]", i == 0 ? "" : ",", boxes[i].x, boxes[i].y, boxes[i].width,
                        boxes[i].height);
        }
        std::printf("]}\n");
        ++frames;
    }
    const double seconds = std::chrono::duration<double>(clock::now() - begun).count();
    std::printf("{\"frames\":%d,\"seconds\":%.6f,\"own_seconds\":%.6f}\n", frames, seconds, own);
    return frames > 0 ? 0 : 1;
}
