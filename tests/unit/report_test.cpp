// SPDX-License-Identifier: Apache-2.0
#include "analysis/report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "analysis/measures.hpp"
#include "support.hpp"

namespace faceflow::internal::analysis {
namespace {

compare_row row_of(flow_kind flow, const std::string& ablation = "none") {
    compare_row r;
    r.flow = flow;
    r.ablation = ablation;
    r.device = "emulated";
    r.host_to_device_per_frame = 1;
    r.host_to_device_bytes_per_frame = 3110400;
    r.device_to_host_per_frame = 1;
    r.device_to_host_bytes_per_frame = 47152;
    r.syncs_per_frame = 1;
    r.cache_hit_rate = 1;
    r.latency_ms = {20.25, 24.5, 30};
    r.fps = 55.5;
    r.peak_device_bytes = 64u << 20;
    r.link_ms_per_frame = 0.146;
    r.frames = 40;
    return r;
}

std::vector<compare_row> three_rows() {
    auto rows = std::vector{row_of(flow_kind::threaded), row_of(flow_kind::fused), row_of(flow_kind::fused, "cache")};
    rows[1].fps = 61.05;
    rows[1].latency_ms.p50 = 18.225;
    rows[2].host_to_device_per_frame = 2;
    rows[2].host_to_device_bytes_per_frame = 6220800;
    rows[2].cache_hit_rate = 0;
    rows[2].faces_equal = false;
    rows[2].largest_difference_px = 0.25;
    return rows;
}

// The line of a text that begins with `start`.
std::string line_of(const std::string& all, const std::string& start) {
    std::istringstream in(all);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(start)) return line;
    }
    return {};
}

std::vector<std::string> cells(const std::string& line) {
    std::vector<std::string> found;
    std::string one;
    for (std::istringstream in(line + ","); std::getline(in, one, ',');)
        found.push_back(one);
    return found;
}

TEST(report, change_is_against_the_first_value) {
    EXPECT_DOUBLE_EQ(*change_percent(50, 75), 50);
    EXPECT_DOUBLE_EQ(*change_percent(4, 1), -75);
    EXPECT_DOUBLE_EQ(*change_percent(0, 0), 0);
    EXPECT_FALSE(change_percent(0, 3));
}

TEST(report, numbers_are_grouped_and_have_no_trailing_zeros) {
    measure m;
    m.decimals = 0;
    EXPECT_EQ(number(m, 3110400), "3 110 400");
    EXPECT_EQ(number(m, 999), "999");
    EXPECT_EQ(number(m, -1000), "-1 000");
    EXPECT_EQ(number(m, 0), "0");
    EXPECT_EQ(plain(3110400), "3110400");
    EXPECT_EQ(plain(0.25), "0.25");
    EXPECT_EQ(plain(100), "100");
}

TEST(report, table_shows_figures_and_their_change) {
    const auto table = render_table(three_rows(), {25, "clip.mp4"});
    EXPECT_NE(table.find("clip.mp4: 40 frames, device emulated; changes are against threaded"), std::string::npos);
    const auto bytes = line_of(table, "host->device bytes / frame");
    EXPECT_NE(bytes.find("6 220 800  +100.0 %"), std::string::npos) << table;
    EXPECT_NE(bytes.find('='), std::string::npos);
    EXPECT_NE(line_of(table, "frames / s reached").find("+10.0 %"), std::string::npos);
    EXPECT_NE(line_of(table, "latency p50").find("-10.0 %"), std::string::npos);
    EXPECT_NE(line_of(table, "transfers / s at 25 fps").find("75.0"), std::string::npos);
    EXPECT_NE(line_of(table, "bytes / s at 25 fps").find("78.9 MB"), std::string::npos);
    EXPECT_NE(line_of(table, "cache hit rate").find("-100.0 %"), std::string::npos);
    EXPECT_NE(line_of(table, "faces equal").find("within 0.25 px"), std::string::npos);
}

TEST(report, table_columns_are_aligned) {
    std::istringstream in(render_table(three_rows(), {}));
    std::string line, rule;
    std::size_t width = 0;
    while (std::getline(in, line)) {
        if (line.starts_with("---")) width = line.size();
        if (width > 0) {
            EXPECT_EQ(line.size(), width) << line;
        }
    }
    EXPECT_GT(width, 0u);
}

TEST(report, many_rows_follow_below_with_the_first_one_repeated) {
    std::vector<compare_row> rows;
    for (const flow_kind flow :
         {flow_kind::copied, flow_kind::cached, flow_kind::shared, flow_kind::threaded, flow_kind::fused})
        rows.push_back(row_of(flow));
    const auto table = render_table(rows, {});
    std::size_t seen = 0;
    for (auto at = table.find("copied"); at != std::string::npos; at = table.find("copied", at + 1))
        ++seen;
    EXPECT_EQ(seen, 3u) << table;  // heading and two blocks
    EXPECT_NE(table.find("fused"), std::string::npos);
}

TEST(report, a_row_without_faces_in_common_says_so) {
    auto rows = three_rows();
    rows[1].faces_equal = false;
    rows[1].largest_difference_px = std::numeric_limits<double>::infinity();
    EXPECT_NE(line_of(render_table(rows, {}), "faces equal").find("other faces"), std::string::npos);
}

TEST(report, says_which_row_is_the_reference_and_what_share_of_converted_faces_is_close) {
    auto rows = three_rows();
    rows[0].flow = flow_kind::copied;
    rows[0].largest_difference_px = 7.6;
    rows[0].faces_close = 0.9934;
    rows[1].reference = true;
    EXPECT_EQ(faces_text(rows[0]), "99.3 % within 1 px");
    EXPECT_EQ(faces_text(rows[1]), "reference");
}

TEST(report, a_flow_without_a_cache_has_no_hit_rate) {
    auto rows = three_rows();
    rows[1].cache_hit_rate.reset();
    const auto line = line_of(render_table(rows, {}), "cache hit rate");
    EXPECT_NE(line.find(" - "), std::string::npos) << line;
    EXPECT_EQ(line.find("nan"), std::string::npos) << line;
    EXPECT_EQ(render_csv(rows, {}).find("nan"), std::string::npos);
    EXPECT_TRUE(nlohmann::json::parse(render_json(rows))["rows"][1]["cache_hit_rate"].is_null());
}

TEST(report, frames_without_a_result_have_a_line_where_there_are_any) {
    auto rows = three_rows();
    EXPECT_EQ(line_of(render_table(rows, {}), "frames without a result"), "");
    rows[2].failed = 7;
    EXPECT_NE(line_of(render_table(rows, {}), "frames without a result").find('7'), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(render_json(rows))["rows"][2]["failed"], 7);
}

TEST(report, csv_has_a_line_per_row_with_as_many_cells_as_its_head) {
    std::istringstream in(render_csv(three_rows(), {}));
    std::string head, line;
    std::getline(in, head);
    const auto keys = cells(head);
    std::vector<std::vector<std::string>> lines;
    while (std::getline(in, line))
        lines.push_back(cells(line));
    ASSERT_EQ(lines.size(), 3u);
    const auto at = [&](std::size_t row, const std::string& key) {
        EXPECT_EQ(lines[row].size(), keys.size());
        return lines[row][static_cast<std::size_t>(std::find(keys.begin(), keys.end(), key) - keys.begin())];
    };
    EXPECT_EQ(at(2, "ablation"), "cache");
    EXPECT_EQ(at(2, "host_to_device_bytes_per_frame"), "6220800");
    EXPECT_EQ(at(2, "host_to_device_bytes_per_frame_change_percent"), "100");
    EXPECT_EQ(at(0, "fps_change_percent"), "0");
    EXPECT_EQ(at(1, "faces_equal"), "true");
}

TEST(report, csv_leaves_a_change_from_zero_empty) {
    auto rows = three_rows();
    rows[0].cache_hit_rate = 0;
    EXPECT_NE(render_csv(rows, {}).find(",1,,"), std::string::npos);
}

TEST(report, json_has_exactly_the_keys_that_scripts_rely_on) {
    const auto j = nlohmann::ordered_json::parse(render_json(three_rows()));
    ASSERT_EQ(j.size(), 1u);
    ASSERT_EQ(j["rows"].size(), 3u);
    std::vector<std::string> keys;
    for (const auto& [key, value] : j["rows"][0].items())
        keys.push_back(key);
    EXPECT_EQ(keys,
              (std::vector<std::string>{"flow", "device", "host_to_device_per_frame", "host_to_device_bytes_per_frame",
                                        "device_to_host_per_frame", "device_to_host_bytes_per_frame", "syncs_per_frame",
                                        "cache_hit_rate", "latency_ms", "fps", "peak_device_bytes", "faces_equal",
                                        "largest_difference_px", "faces_close", "failed", "ablation"}));
    EXPECT_EQ(j["rows"][2]["host_to_device_bytes_per_frame"], 6220800);
    EXPECT_EQ(j["rows"][2]["ablation"], "cache");
    EXPECT_EQ(j["rows"][2]["faces_equal"], false);
    EXPECT_EQ(j["rows"][0]["latency_ms"], (nlohmann::ordered_json{{"p50", 20.25}, {"p95", 24.5}, {"p99", 30}}));
}

TEST(report, markdown_is_one_table_of_all_rows) {
    const auto text = render_markdown(three_rows(), {});
    EXPECT_NE(text.find("| | threaded | fused | fused, cache off |\n| --- | ---: | ---: | ---: |\n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("| host → device transfers / frame | 1.00 | 1.00 (=) | 2.00 (+100.0 %) |"), std::string::npos)
        << text;
}

TEST(report, figure_has_a_bar_per_chart_and_row_as_long_as_its_value) {
    const auto svg = render_svg(three_rows(), {30, "a <b> & c"});
    EXPECT_TRUE(svg.starts_with("<svg "));
    EXPECT_TRUE(svg.ends_with("</svg>\n"));
    EXPECT_NE(svg.find("a &lt;b&gt; &amp; c"), std::string::npos);
    EXPECT_EQ(svg.find("a <b>"), std::string::npos);
    std::size_t bars = 0;
    for (auto at = svg.find("height=\"18\""); at != std::string::npos; at = svg.find("height=\"18\"", at + 1))
        ++bars;
    EXPECT_EQ(bars, 12u);
    EXPECT_NE(svg.find("prefers-color-scheme: dark"), std::string::npos);
}

TEST(report, files_are_written_into_a_folder_that_is_made) {
    const test::temporary_folder folder;
    const auto written = write_reports(three_rows(), folder / "new", {});
    ASSERT_OK(written);
    ASSERT_EQ(written->size(), 4u);
    for (const auto& path : *written)
        EXPECT_FALSE(test::contents(path).empty()) << path;
    EXPECT_EQ(test::contents(folder.path() / "new" / "compare.json"), render_json(three_rows()));
}

TEST(report, a_folder_that_cannot_be_made_is_an_error) {
    const auto written = write_reports(three_rows(), "/proc/faceflow", {});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, errc::io);
}

TEST(report, nothing_compared_renders_without_a_table) {
    EXPECT_EQ(render_table({}, {}), "nothing was compared\n");
    EXPECT_EQ(nlohmann::json::parse(render_json({}))["rows"].size(), 0u);
    EXPECT_TRUE(render_svg({}, {}).ends_with("</svg>\n"));
}

}  // namespace
}  // namespace faceflow::internal::analysis
