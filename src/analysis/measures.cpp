// SPDX-License-Identifier: Apache-2.0
#include "analysis/measures.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "flow/flow.hpp"

namespace faceflow::internal::analysis {
namespace {

constexpr double mebibyte = 1024.0 * 1024.0;

constexpr std::array measures{
    measure{"host_to_device_per_frame", "host->device transfers / frame",
            [](const compare_row& r, double) { return r.host_to_device_per_frame; }, 1, 2},
    measure{"host_to_device_bytes_per_frame", "host->device bytes / frame",
            [](const compare_row& r, double) { return r.host_to_device_bytes_per_frame; }, 1, 0},
    measure{"device_to_host_per_frame", "device->host transfers / frame",
            [](const compare_row& r, double) { return r.device_to_host_per_frame; }, 1, 2},
    measure{"device_to_host_bytes_per_frame", "device->host bytes / frame",
            [](const compare_row& r, double) { return r.device_to_host_bytes_per_frame; }, 1, 0},
    measure{"transfers_per_second", "transfers / s",
            [](const compare_row& r, double fps) {
                return (r.host_to_device_per_frame + r.device_to_host_per_frame) * fps;
            },
            1, 1, "", true},
    measure{"bytes_per_second", "bytes / s",
            [](const compare_row& r, double fps) {
                return (r.host_to_device_bytes_per_frame + r.device_to_host_bytes_per_frame) * fps;
            },
            1e6, 1, " MB", true},
    measure{"syncs_per_frame", "host syncs / frame", [](const compare_row& r, double) { return r.syncs_per_frame; }, 1,
            2},
    measure{"cache_hit_rate", "cache hit rate",
            [](const compare_row& r, double) { return r.cache_hit_rate.value_or(std::nan("")); }, 0.01, 1, " %"},
    measure{"link_ms_per_frame", "time on the link / frame",
            [](const compare_row& r, double) { return r.link_ms_per_frame; }, 1, 3, " ms"},
    measure{"latency_ms_p50", "latency p50", [](const compare_row& r, double) { return r.latency_ms.p50; }, 1, 2,
            " ms"},
    measure{"latency_ms_p95", "latency p95", [](const compare_row& r, double) { return r.latency_ms.p95; }, 1, 2,
            " ms"},
    measure{"latency_ms_p99", "latency p99", [](const compare_row& r, double) { return r.latency_ms.p99; }, 1, 2,
            " ms"},
    measure{"fps", "frames / s reached", [](const compare_row& r, double) { return r.fps; }, 1, 1},
    measure{"peak_device_bytes", "peak device memory",
            [](const compare_row& r, double) { return static_cast<double>(r.peak_device_bytes); }, mebibyte, 1, " MiB"},
};

}  // namespace

std::span<const measure> all_measures() noexcept {
    return measures;
}

std::optional<double> change_percent(double first, double value) noexcept {
    if (first == value) return 0.0;
    if (first == 0 || std::isnan(first) || std::isnan(value)) return std::nullopt;
    return (value - first) / first * 100;
}

std::string number(const measure& m, double value) {
    if (std::isnan(value)) return "-";
    std::string text = fmt::format("{:.{}f}", value / m.unit, m.decimals);
    const std::size_t whole = std::min(text.find('.'), text.size());
    const std::size_t sign = text.front() == '-' ? 1 : 0;
    for (std::size_t at = whole; at > sign + 3;)
        text.insert(at -= 3, " ");
    return text.append(m.suffix);
}

std::string plain(double value, int max_decimals) {
    if (std::isnan(value)) return {};
    std::string text = fmt::format("{:.{}f}", value, max_decimals);
    if (text.find('.') == std::string::npos) return text;
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

std::string faces_text(const compare_row& row) {
    if (row.reference) return "reference";
    if (row.faces_equal && row.largest_difference_px == 0) return "yes";
    if (!std::isfinite(row.largest_difference_px)) return "other faces";
    if (flow::converts_pixels(row.flow)) {
        return fmt::format("{} % within {} px", plain(row.faces_close * 100, 1), plain(converted_tolerance_model_px));
    }
    return fmt::format("within {} px", plain(std::max(row.largest_difference_px, 0.000001)));
}

}  // namespace faceflow::internal::analysis
