// SPDX-License-Identifier: Apache-2.0
// Renders the results of a comparison of flows as a table, CSV, Markdown, JSON and a figure. The first row is the
// baseline for the others.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::analysis {

struct percentiles_ms {
    double p50 = 0, p95 = 0, p99 = 0;
};

// Tolerances for landmarks where results cannot be bit-identical.
inline constexpr double unbatched_tolerance_px = 1e-3;  // ONNX Runtime sums a batch in another order than a single face
inline constexpr double gpu_tolerance_px = 0.5;         // GPU libraries choose other kernels for other batches
// A flow that converts pixels (`copied`: to 8-bit BGR) must have the same tracks, and for this share of faces, or all
// but one of a few, no landmark beyond this distance at the scale of the mesh model's input. The other faces are those
// for which the detector chose another anchor with the same score.
inline constexpr double converted_tolerance_model_px = 1, converted_share = 0.95;
inline constexpr std::size_t converted_few = 8;  // of up to this many faces, one may be further

// The sums over all devices. `host_to_device` and so on are transfers; a device that shares the host's memory has none.
struct compare_row {
    flow_kind flow = flow_kind::fused;
    std::string device;
    std::string ablation = "none";  // what was switched off: cache, batch, pinned
    double host_to_device_per_frame = 0, host_to_device_bytes_per_frame = 0;
    double device_to_host_per_frame = 0, device_to_host_bytes_per_frame = 0;
    double syncs_per_frame = 0;            // times the host waited for a device
    std::optional<double> cache_hit_rate;  // 0..1; nullopt without cache lookups
    percentiles_ms latency_ms;             // of single frames alone in the flow that have faces
    double fps = 0;                        // frames with faces, with as many in work as the flow accepts
    std::uint64_t peak_device_bytes = 0;
    // Whether the faces equal those of the reference row (see comparison), bit for bit or within the tolerance for this
    // row.
    bool faces_equal = true;
    bool reference = false;
    double largest_difference_px = 0;   // of a landmark; infinity: other tracks, or another number of faces
    double faces_close = 1;             // share of faces with no landmark beyond converted_tolerance_model_px
    std::uint64_t failed = 0;           // frames without a result, excluded from all figures
    double link_ms_per_frame = 0;       // duration of a frame's transfers, consecutively on an idle device
    std::uint64_t frames = 0;           // measured
    std::optional<bool> ledger_agrees;  // with the devices' own counts, if requested
};

struct report_options {
    double frames_per_second = 30;  // of the source: turns figures per frame into figures per second
    std::string title = "faceflow compare";
};

// "fused", or "fused, cache off".
[[nodiscard]] std::string label_of(const compare_row& row);

// One line per figure and one column per row, with the change relative to the first row in percent. At most four
// columns side by side; more follow below, with the first row repeated.
[[nodiscard]] std::string render_table(const std::vector<compare_row>& rows, const report_options& o);
// The same table, all columns side by side.
[[nodiscard]] std::string render_markdown(const std::vector<compare_row>& rows, const report_options& o);
// One line per row; each figure is followed by its change in percent, empty if the first row has 0.
[[nodiscard]] std::string render_csv(const std::vector<compare_row>& rows, const report_options& o);
// {"rows": [...]}, keys as in compare_row, without what only the table shows.
[[nodiscard]] std::string render_json(const std::vector<compare_row>& rows);
// Bars for bytes, transfers, latency and rate; follows the viewer's light or dark scheme.
[[nodiscard]] std::string render_svg(const std::vector<compare_row>& rows, const report_options& o);

// The files of write_reports.
inline constexpr std::array report_files{"compare.csv", "compare.md", "compare.json", "compare.svg"};

// Writes all of them to `folder`, which is created if needed; each file atomically. Returns the paths.
[[nodiscard]] result<std::vector<std::filesystem::path>> write_reports(const std::vector<compare_row>& rows,
                                                                       const std::filesystem::path& folder,
                                                                       const report_options& o);

}  // namespace faceflow::internal::analysis
