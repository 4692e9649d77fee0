// SPDX-License-Identifier: Apache-2.0
#include "analysis/figure.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace faceflow::internal::analysis {
namespace {

// In pixels. A chart has labels, bars, and room for the number after the longest bar.
constexpr double margin = 28, gap = 44, head = 74, chart_head = 52, bar_height = 18, pitch = 28;
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

std::string_view colour_of(bar::shade how) {
    switch (how) {
        case bar::shade::reference: return "first";
        case bar::shade::lesser: return "ablated";
        case bar::shade::usual: break;
    }
    return "other";
}

void draw(std::string& out, const bar_chart& c, double left, double top) {
    double most = 0;
    for (const bar& b : c.bars)
        most = std::max(most, b.value);
    out += text(left, top + 14, "name", c.title) + text(left, top + 32, "note", c.note);
    const double axis = left + label_width, first = top + chart_head;
    for (std::size_t i = 0; i < c.bars.size(); ++i) {
        const bar& b = c.bars[i];
        const double y = first + static_cast<double>(i) * pitch, length = most > 0 ? b.value / most * bar_width : 0;
        out += text(axis - 10, y + 13, "label", b.label, "end");
        if (length > 0) {
            out += fmt::format("<rect class=\"{}\" x=\"{:g}\" y=\"{:g}\" width=\"{:.1f}\" height=\"{:g}\" rx=\"2\"/>\n",
                               colour_of(b.how), axis, y, std::max(length, 1.0), bar_height);
        }
        out += text(axis + length + 8, y + 13, "value", b.text);
    }
    const double bottom = first + static_cast<double>(c.bars.size()) * pitch - (pitch - bar_height) + 4;
    out += fmt::format("<line class=\"axis\" x1=\"{0:g}\" x2=\"{0:g}\" y1=\"{1:g}\" y2=\"{2:g}\"/>\n", axis, first - 4,
                       bottom);
}

}  // namespace

std::string render_bars(std::string_view title, std::string_view note, std::span<const bar_chart> charts) {
    std::size_t most = 0;
    for (const bar_chart& c : charts)
        most = std::max(most, c.bars.size());
    const std::size_t lines = (charts.size() + 1) / 2;
    const double chart_height = chart_head + static_cast<double>(most) * pitch;
    const double width = 2 * margin + 2 * chart_width + gap,
                 height = head + static_cast<double>(lines) * chart_height + gap + margin;
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" "
        "role=\"img\">\n<title>{2}</title>\n",
        width, height, escaped(title));
    out += style;
    out += fmt::format("<rect class=\"page\" width=\"{:g}\" height=\"{:g}\"/>\n", width, height);
    out += text(margin, margin + 14, "title", title);
    if (most == 0) return out + text(margin, head, "note", note) + "</svg>\n";
    out += text(margin, margin + 34, "note", note);
    for (std::size_t i = 0; i < charts.size(); ++i) {
        const std::size_t column = i % 2, line = i / 2;
        draw(out, charts[i], margin + static_cast<double>(column) * (chart_width + gap),
             head + 8 + static_cast<double>(line) * (chart_height + gap / 2));
    }
    return out + "</svg>\n";
}

}  // namespace faceflow::internal::analysis
