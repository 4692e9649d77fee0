// SPDX-License-Identifier: Apache-2.0
#include "analysis/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "analysis/measures.hpp"
#include "core/output_file.hpp"

namespace faceflow::internal::analysis {
namespace {

constexpr std::size_t columns_side_by_side = 4;

std::string change_text(double first, double value) {
    const auto change = change_percent(first, value);
    if (!change) return std::isnan(first) || std::isnan(value) ? "" : "new";
    if (*change == 0) return "=";
    const std::string percent = fmt::format("{:+.1f} %", *change);
    return percent == "+0.0 %" || percent == "-0.0 %" ? "~" : percent;
}

struct cell {
    std::string value, change;
};

struct line {
    std::string title;
    std::vector<cell> cells;
};

std::string title_of(const measure& m, double frames_per_second) {
    return m.per_second ? fmt::format("{} at {} fps", m.title, plain(frames_per_second, 3)) : std::string(m.title);
}

// All figures of all rows as text, for the table and its Markdown version.
std::vector<line> lines_of(const std::vector<compare_row>& rows, double frames_per_second) {
    std::vector<line> lines;
    for (const measure& m : all_measures()) {
        line& l = lines.emplace_back();
        l.title = title_of(m, frames_per_second);
        const double first = m.value(rows.front(), frames_per_second);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const double v = m.value(rows[i], frames_per_second);
            l.cells.push_back({number(m, v), i == 0 ? "" : change_text(first, v)});
        }
    }
    if (std::any_of(rows.begin(), rows.end(), [](const compare_row& r) { return r.failed > 0; })) {
        line& failed = lines.emplace_back();
        failed.title = "frames without a result";
        for (const auto& r : rows)
            failed.cells.push_back({fmt::format("{}", r.failed), ""});
    }
    line& faces = lines.emplace_back();
    faces.title = "faces equal";
    for (std::size_t i = 0; i < rows.size(); ++i)
        faces.cells.push_back({faces_text(rows[i]), ""});
    return lines;
}

// A sentence with what the rows have in common.
std::string heading(const std::vector<compare_row>& rows, const report_options& o) {
    std::string devices = rows.front().device;
    for (const auto& r : rows) {
        if (r.device != rows.front().device) devices = "several devices";
    }
    return fmt::format("{}: {} frames, device {}; changes are against {}", o.title, rows.front().frames, devices,
                       label_of(rows.front()));
}

// Columns `shown` of the table, each as wide as its widest text.
void append_block(std::string& out, const std::vector<compare_row>& rows, const std::vector<line>& lines,
                  const std::vector<std::size_t>& shown) {
    std::size_t titles = 0;
    for (const line& l : lines)
        titles = std::max(titles, l.title.size());
    std::string header(titles, ' ');
    std::vector<std::pair<std::size_t, std::size_t>> widths;  // of value and change
    for (const std::size_t c : shown) {
        std::size_t value = 0, change = 0;
        for (const line& l : lines) {
            value = std::max(value, l.cells[c].value.size());
            change = std::max(change, l.cells[c].change.size());
        }
        const std::string label = label_of(rows[c]);
        const std::size_t gap = change > 0 ? 2 : 0;
        value = std::max(value, label.size() > change + gap ? label.size() - change - gap : 0);
        widths.emplace_back(value, change + gap);
        header += fmt::format("   {:>{}}", label, value + change + gap);
    }
    out += header + "\n" + std::string(header.size(), '-') + "\n";
    for (const line& l : lines) {
        out += fmt::format("{:<{}}", l.title, titles);
        for (std::size_t i = 0; i < shown.size(); ++i) {
            const cell& c = l.cells[shown[i]];
            out += c.change.empty()
                       ? fmt::format("   {:>{}}", c.value, widths[i].first + widths[i].second)
                       : fmt::format("   {:>{}}{:>{}}", c.value, widths[i].first, c.change, widths[i].second);
        }
        out.erase(out.find_last_not_of(' ') + 1);
        out += '\n';
    }
}

}  // namespace

std::string label_of(const compare_row& row) {
    return row.ablation.empty() || row.ablation == "none" ? std::string(name(row.flow))
                                                          : fmt::format("{}, {} off", name(row.flow), row.ablation);
}

std::string render_table(const std::vector<compare_row>& rows, const report_options& o) {
    if (rows.empty()) return "nothing was compared\n";
    const auto lines = lines_of(rows, o.frames_per_second);
    std::string out = heading(rows, o) + "\n";
    for (std::size_t next = 0; next < rows.size();) {
        std::vector<std::size_t> shown;
        if (next > 0) shown.push_back(0);
        while (shown.size() < columns_side_by_side && next < rows.size())
            shown.push_back(next++);
        out += '\n';
        append_block(out, rows, lines, shown);
    }
    return out;
}

std::string render_markdown(const std::vector<compare_row>& rows, const report_options& o) {
    if (rows.empty()) return "nothing was compared\n";
    std::string out = heading(rows, o) + ".\n\n| |", rule = "| --- |";
    for (const auto& r : rows) {
        out += fmt::format(" {} |", label_of(r));
        rule += " ---: |";
    }
    out += "\n" + rule + "\n";
    for (const line& l : lines_of(rows, o.frames_per_second)) {
        std::string title = l.title;
        if (const auto arrow = title.find("->"); arrow != std::string::npos) title.replace(arrow, 2, " → ");
        out += fmt::format("| {} |", title);
        for (const cell& c : l.cells)
            out += c.change.empty() ? fmt::format(" {} |", c.value) : fmt::format(" {} ({}) |", c.value, c.change);
        out += '\n';
    }
    return out;
}

std::string render_csv(const std::vector<compare_row>& rows, const report_options& o) {
    std::string out = "flow,ablation,device,frames,failed,source_fps,faces_equal,largest_difference_px";
    for (const measure& m : all_measures())
        out += fmt::format(",{0},{0}_change_percent", m.key);
    out += '\n';
    for (const auto& r : rows) {
        out += fmt::format("{},{},{},{},{},{},{},{}", name(r.flow), r.ablation, r.device, r.frames, r.failed,
                           plain(o.frames_per_second, 3), r.faces_equal, plain(r.largest_difference_px));
        for (const measure& m : all_measures()) {
            const double v = m.value(r, o.frames_per_second);
            const auto change = change_percent(m.value(rows.front(), o.frames_per_second), v);
            out += fmt::format(",{},{}", plain(v), change ? plain(*change, 3) : "");
        }
        out += '\n';
    }
    return out;
}

std::string render_json(const std::vector<compare_row>& rows) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const auto& r : rows) {
        nlohmann::ordered_json j;
        j["flow"] = name(r.flow);
        j["device"] = r.device;
        j["host_to_device_per_frame"] = r.host_to_device_per_frame;
        j["host_to_device_bytes_per_frame"] = r.host_to_device_bytes_per_frame;
        j["device_to_host_per_frame"] = r.device_to_host_per_frame;
        j["device_to_host_bytes_per_frame"] = r.device_to_host_bytes_per_frame;
        j["syncs_per_frame"] = r.syncs_per_frame;
        j["cache_hit_rate"] = r.cache_hit_rate ? nlohmann::ordered_json(*r.cache_hit_rate) : nullptr;
        j["latency_ms"] = {{"p50", r.latency_ms.p50}, {"p95", r.latency_ms.p95}, {"p99", r.latency_ms.p99}};
        j["fps"] = r.fps;
        j["peak_device_bytes"] = r.peak_device_bytes;
        j["faces_equal"] = r.faces_equal;
        if (std::isfinite(r.largest_difference_px))
            j["largest_difference_px"] = r.largest_difference_px;
        else
            j["largest_difference_px"] = nullptr;  // other faces or tracks
        j["faces_close"] = r.faces_close;
        j["failed"] = r.failed;
        j["ablation"] = r.ablation;
        if (r.ledger_agrees) j["ledger_agrees"] = *r.ledger_agrees;
        all.push_back(std::move(j));
    }
    nlohmann::ordered_json document;
    document["rows"] = std::move(all);
    return document.dump(2) + "\n";
}

result<std::vector<std::filesystem::path>> write_reports(const std::vector<compare_row>& rows,
                                                         const std::filesystem::path& folder, const report_options& o) {
    std::error_code ec;
    std::filesystem::create_directories(folder, ec);
    if (ec || !std::filesystem::is_directory(folder)) {
        return fail(errc::io, fmt::format("cannot make the folder {}: {}; choose another with --out", folder.string(),
                                          ec ? ec.message() : "something else of that name is there"));
    }
    const std::array<std::string, report_files.size()> texts{render_csv(rows, o), render_markdown(rows, o),
                                                             render_json(rows), render_svg(rows, o)};
    std::vector<std::filesystem::path> written;
    result<void> first_failed;  // the others are still written
    for (std::size_t i = 0; i < texts.size(); ++i) {
        auto path = write_document(folder / report_files[i], texts[i]);
        if (path) {
            written.push_back(std::move(*path));
        } else if (first_failed) {
            first_failed = tl::unexpected(std::move(path.error()));
        }
    }
    if (!first_failed) return tl::unexpected(std::move(first_failed.error()));
    return written;
}

}  // namespace faceflow::internal::analysis
