// SPDX-License-Identifier: Apache-2.0
// The figure of a comparison: four small bar charts with one bar per row.
#include <fmt/format.h>

#include <array>

#include "analysis/figure.hpp"
#include "analysis/measures.hpp"
#include "analysis/report.hpp"

namespace faceflow::internal::analysis {
namespace {

struct chart {
    std::string_view title, note;
    double (*value)(const compare_row&);
    double unit;
    int decimals;
    std::string_view suffix;
};

constexpr std::array charts{
    chart{"Bytes over the link per frame", "up and down, lower is better",
          [](const compare_row& r) { return r.host_to_device_bytes_per_frame + r.device_to_host_bytes_per_frame; }, 1e6,
          2, " MB"},
    chart{"Transfers per frame", "up and down, lower is better",
          [](const compare_row& r) { return r.host_to_device_per_frame + r.device_to_host_per_frame; }, 1, 2, ""},
    chart{"Latency of one frame, p50", "lower is better", [](const compare_row& r) { return r.latency_ms.p50; }, 1, 1,
          " ms"},
    chart{"Frame rate", "higher is better", [](const compare_row& r) { return r.fps; }, 1, 1, " fps"},
};

bar::shade shade_of(const std::vector<compare_row>& rows, std::size_t i) {
    if (i == 0) return bar::shade::reference;
    return rows[i].ablation == "none" ? bar::shade::usual : bar::shade::lesser;
}

}  // namespace

std::string render_svg(const std::vector<compare_row>& rows, const report_options& o) {
    if (rows.empty()) return render_bars(o.title, "nothing was compared", {});
    std::vector<bar_chart> drawn;
    for (const chart& c : charts) {
        bar_chart& b = drawn.emplace_back(bar_chart{std::string(c.title), std::string(c.note), {}});
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const double v = c.value(rows[i]);
            b.bars.push_back(
                {label_of(rows[i]), fmt::format("{:.{}f}{}", v / c.unit, c.decimals, c.suffix), v, shade_of(rows, i)});
        }
    }
    return render_bars(o.title,
                       fmt::format("{} frames, device {}; {} is what the others are measured against",
                                   rows.front().frames, rows.front().device, label_of(rows.front())),
                       drawn);
}

}  // namespace faceflow::internal::analysis
