// Any times that a file may state: those given grow, whatever comes, and nothing overflows. Each 9 bytes are a step: what to do,
// and a number.
#include <cstdint>
#include <cstring>

#include "media/timeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace faceflow::media;
    if (size < 9) return 0;
    std::int64_t number = 0;
    std::memcpy(&number, data + 1, sizeof number);
    timeline times(number);
    std::int64_t last = -1;
    for (std::size_t at = 9; at + 9 <= size; at += 9) {
        std::memcpy(&number, data + at + 1, sizeof number);
        std::optional<std::int64_t> placed;
        switch (data[at] % 4) {
            case 0: times.set_origin(number); continue;
            case 1: times.restart(std::chrono::nanoseconds(number)); continue;
            case 2: placed = times.place(std::nullopt); break;
            default: placed = times.place(number);
        }
        if (!placed) continue;
        // At the end of all time there is no later one.
        if (*placed < 0 || (*placed <= last && last != INT64_MAX)) __builtin_trap();
        last = *placed;
    }
    return 0;
}
