// SPDX-License-Identifier: Apache-2.0
// The six stages of a frame, the same in every flow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace faceflow::internal {

enum class stage : std::uint8_t { capture, detect, region, landmark, track, sink };

inline constexpr std::size_t stage_count = 6;
inline constexpr std::array<stage, stage_count> all_stages{stage::capture,  stage::detect, stage::region,
                                                           stage::landmark, stage::track,  stage::sink};

[[nodiscard]] constexpr std::string_view name(stage s) noexcept {
    constexpr std::array<std::string_view, stage_count> names{"capture",  "detect", "region",
                                                              "landmark", "track",  "sink"};
    return names[static_cast<std::size_t>(s)];
}

}  // namespace faceflow::internal
