// SPDX-License-Identifier: Apache-2.0
// The options of an engine, and parsers for their values.
#include <fmt/format.h>

#include <charconv>
#include <tuple>
#include <utility>

#include "cli/commands.hpp"
#include "cli/option_rows.hpp"
#include "core/try.hpp"
#include "device/emulated/fault_reporter.hpp"

namespace faceflow::internal::cli {

result<std::pair<int, int>> parse_size(std::string_view text) {
    int width = 0, height = 0;
    const char* end = text.data() + text.size();
    const auto w = std::from_chars(text.data(), end, width);
    if (w.ec == std::errc{} && w.ptr != end && *w.ptr == 'x') {
        const auto h = std::from_chars(w.ptr + 1, end, height);
        if (h.ec == std::errc{} && h.ptr == end && width > 0 && height > 0) return std::pair{width, height};
    }
    return fail(errc::invalid_argument, fmt::format("'{}' is not a size; write it as 640x384", text));
}

result<void> parse_detect_size(std::string_view text, options& into) {
    into.detect_width = into.detect_height = 0;
    if (text == "auto") return {};
    FACEFLOW_ASSIGN(const auto size, parse_size(text));
    std::tie(into.detect_width, into.detect_height) = size;
    return {};
}

namespace {

constexpr float tiles_as_suits = -1;

result<float> parse_tiles(std::string_view text) {
    if (text == "auto") return tiles_as_suits;
    if (text == "off") return 0.0f;
    float scale = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, scale);
    if (parsed.ec == std::errc{} && parsed.ptr == end && scale > 0) return scale;
    return fail(errc::invalid_argument,
                fmt::format("'{}' is not a scale for tiles; write auto, off, or a number such as 2", text));
}

}  // namespace

result<std::size_t> parse_bytes(std::string_view text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
    if (!unit.empty() && (unit.back() == 'B' || unit.back() == 'b')) unit.remove_suffix(1);
    if (!unit.empty() && unit.back() == 'i') unit.remove_suffix(1);
    const double scale = unit.empty()                 ? 1
                         : unit == "K" || unit == "k" ? 0x1p10
                         : unit == "M"                ? 0x1p20
                         : unit == "G"                ? 0x1p30
                                                      : 0;
    if (parsed.ec != std::errc{} || scale == 0 || !(value * scale >= 1) || value * scale > 0x1p46) {
        return fail(errc::invalid_argument,
                    fmt::format("'{}' is not an amount of memory; write it as 512M or 2G", text));
    }
    return static_cast<std::size_t>(value * scale);
}

std::string bytes_text(std::size_t bytes) {
    constexpr std::pair<int, const char*> units[] = {{30, "G"}, {20, "M"}, {10, "K"}};
    for (const auto& [shift, unit] : units) {
        if (bytes != 0 && bytes % (std::size_t{1} << shift) == 0) return fmt::format("{}{}", bytes >> shift, unit);
    }
    return fmt::format("{}", bytes);
}

std::string flag_of(std::string_view name) {
    std::string flag = fmt::format("--{}", name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    return flag;
}

CLI::Option* add_parsed(CLI::App& app, const std::string& flag, const std::string& help, const std::string& usual,
                        std::function<result<void>(const std::string&)> parse) {
    auto* option = app.add_option_function<std::string>(
        flag,
        [flag, parse = std::move(parse)](const std::string& given) {
            if (const auto r = parse(given); !r) throw CLI::ValidationError(flag, r.error().message);
        },
        help);
    return option->default_str(usual);
}

options engine_options::resolve() const {
    // If a stage accesses device memory from the host, the program is killed: the reporter prints which stage and
    // frame.
    if (chosen.device.starts_with("emulated")) install_fault_reporter();
    return chosen;
}

void add_engine_options(CLI::App& app, engine_options& into) {
    options& o = into.chosen;
    o.detect_width = o.detect_height = 0;  // auto
    o.tiles = tiles_as_suits;
    const auto add_automatic = [&](const auto& row, std::function<result<void>(const std::string&)> parse) {
        return add_parsed(app, flag_of(row.flag.empty() ? row.name : row.flag), std::string(row.help), "auto",
                          std::move(parse))
            ->type_name(std::string(row.value));
    };
    const auto add_detect_size = [&](const auto& row) {
        return add_automatic(row, [&o](const std::string& given) { return parse_detect_size(given, o); });
    };
    const auto add_tiles = [&](const auto& row) {
        return add_automatic(row, [&o](const std::string& given) -> result<void> {
            FACEFLOW_ASSIGN(o.tiles, parse_tiles(given));
            return {};
        });
    };
    flow::for_each_option([&](const auto& row) {
        if (row.help.empty()) return;  // set by another option's flag, or not the engine's
        CLI::Option* const option = row.name == "tiles" ? add_tiles(row)
                                    : row.flag.empty()  ? declare(app, row, row.of(o))
                                                        : add_detect_size(row);
        option->group(std::string(flow::title(row.group)));
    });
}

}  // namespace faceflow::internal::cli
