// SPDX-License-Identifier: Apache-2.0
// Figures of measurements as plain SVG: bar charts, two side by side, that follow the viewer's light or dark scheme.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace faceflow::internal::analysis {

struct bar {
    enum class shade : std::uint8_t { reference, usual, lesser };
    std::string label, text;  // before and after the bar
    double value = 0;         // its length, relative to the longest of its chart; >= 0
    shade how = shade::usual;
};

struct bar_chart {
    std::string title, note;
    std::vector<bar> bars;
};

[[nodiscard]] std::string render_bars(std::string_view title, std::string_view note, std::span<const bar_chart> charts);

}  // namespace faceflow::internal::analysis
