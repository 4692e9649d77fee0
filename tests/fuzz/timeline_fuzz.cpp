// SPDX-License-Identifier: Apache-2.0
// Any times that a file may state: those given grow, whatever comes, and nothing overflows. Each 9 bytes are a step: what to do,
// and a number.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "media/timeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace faceflow::internal::media;
    if (size < 9) return 0;
    std::int64_t number = 0;
    std::memcpy(&number, data + 1, sizeof number);
    timeline times(number);
    std::int64_t last = -1;
    for (std::size_t at = 9; at + 9 <= size; at += 9) {
        std::memcpy(&number, data + at + 1, sizeof number);
        std::int64_t placed = 0;
        // What is to come, if it is asked after: the numbers of the next steps.
        const auto ahead = [&] {
            std::vector<std::int64_t> coming;
            for (std::size_t next = at + 9; next + 9 <= size && coming.size() < 8; next += 9) {
                coming.emplace_back();
                std::memcpy(&coming.back(), data + next + 1, sizeof number);
            }
            std::ranges::sort(coming);
            return coming;
        };
        switch (data[at] % 6) {
            case 0: times.set_origin(number); continue;
            case 1: times.restart(std::chrono::nanoseconds(number)); continue;
            case 2: placed = times.place(std::nullopt); break;
            case 3: placed = times.place(number); break;
            case 4: placed = times.place(number, 10'000'000'000); break;
            default: placed = times.place(number, std::nullopt, ahead);
        }
        // At the end of all time there is no later one.
        if (placed < 0 || (placed <= last && last != INT64_MAX)) __builtin_trap();
        static_cast<void>(times.offset());
        last = placed;
    }
    return 0;
}
