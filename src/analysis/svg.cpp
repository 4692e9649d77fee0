// The figure of a comparison: four small bar charts, a bar per row, drawn as plain SVG.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/measures.hpp"
#include "analysis/report.hpp"

namespace faceflow::analysis {
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

// Pixels. A chart is labels, bars, and room for the number behind the longest bar.
constexpr double margin = 28, gap = 44, head = 74, chart_head = 52, bar = 18, pitch = 28;
constexpr double label_width = 140, bar_width = 220, number_width = 84;
constexpr double chart_width = label_width + bar_width + number_width;

constexpr std::string_view style = R"(<style>
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #1f2328; }
.page { fill: #ffffff; } .title { font-size: 18px; font-weight: 600; } .name { font-size: 14px; font-weight: 600; }
.note { font-size: 12px; fill: #59636e; } .label, .value { font-size: 12px; } .axis { stroke: #d1d9e0; }
.first { fill: #8c959f; } .other { fill: #0969da; } .ablated { fill: #80b4f0; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .page { fill: #0d1117; } .note { fill: #9198a1; } .axis { stroke: #3d444d; }
.first { fill: #767e88; } .other { fill: #4493f8; } .ablated { fill: #2b5a94; }
}
</style>
)";

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            default: out += c;
        }
    }
    return out;
}

std::string text(double x, double y, std::string_view kind, std::string_view what, std::string_view anchor = "start") {
    return fmt::format("<text class=\"{}\" x=\"{:g}\" y=\"{:g}\" text-anchor=\"{}\">{}</text>\n", kind, x, y, anchor,
                       escaped(what));
}

std::string_view colour_of(const std::vector<compare_row>& rows, std::size_t i) {
    if (i == 0) return "first";
    return rows[i].ablation == "none" ? "other" : "ablated";
}

void draw(std::string& out, const chart& c, const std::vector<compare_row>& rows, double left, double top) {
    double most = 0;
    for (const auto& r : rows)
        most = std::max(most, c.value(r));
    out += text(left, top + 14, "name", c.title) + text(left, top + 32, "note", c.note);
    const double axis = left + label_width, first = top + chart_head;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const double v = c.value(rows[i]), y = first + static_cast<double>(i) * pitch;
        const double length = most > 0 ? v / most * bar_width : 0;
        out += text(axis - 10, y + 13, "label", label_of(rows[i]), "end");
        if (length > 0) {
            out += fmt::format("<rect class=\"{}\" x=\"{:g}\" y=\"{:g}\" width=\"{:.1f}\" height=\"{:g}\" rx=\"2\"/>\n",
                               colour_of(rows, i), axis, y, std::max(length, 1.0), bar);
        }
        out += text(axis + length + 8, y + 13, "value", fmt::format("{:.{}f}{}", v / c.unit, c.decimals, c.suffix));
    }
    const double bottom = first + static_cast<double>(rows.size()) * pitch - (pitch - bar) + 4;
    out += fmt::format("<line class=\"axis\" x1=\"{0:g}\" x2=\"{0:g}\" y1=\"{1:g}\" y2=\"{2:g}\"/>\n", axis, first - 4,
                       bottom);
}

}  // namespace

std::string render_svg(const std::vector<compare_row>& rows, const report_options& o) {
    const double chart_height = chart_head + static_cast<double>(rows.size()) * pitch;
    const double width = 2 * margin + 2 * chart_width + gap, height = head + 2 * chart_height + gap + margin;
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" "
        "role=\"img\">\n<title>{2}</title>\n",
        width, height, escaped(o.title));
    out += style;
    out += fmt::format("<rect class=\"page\" width=\"{:g}\" height=\"{:g}\"/>\n", width, height);
    out += text(margin, margin + 14, "title", o.title);
    if (rows.empty()) return out + text(margin, head, "note", "nothing was compared") + "</svg>\n";
    out += text(margin, margin + 34, "note",
                fmt::format("{} frames, device {}; {} is what the others are measured against", rows.front().frames,
                            rows.front().device, label_of(rows.front())));
    for (std::size_t i = 0; i < charts.size(); ++i) {
        const double column = static_cast<double>(i % 2), line = i < 2 ? 0 : 1;
        draw(out, charts[i], rows, margin + column * (chart_width + gap), head + 8 + line * (chart_height + gap / 2));
    }
    return out + "</svg>\n";
}

}  // namespace faceflow::analysis
