// SPDX-License-Identifier: Apache-2.0
#include "media/row_formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

namespace faceflow::internal::media {
namespace {

constexpr std::array known_row_formats{
    row_format{"ndjson", "faces.ndjson", true, true, make_ndjson_writer, find_whole_lines},
    row_format{"csv", "faces.csv", true, true, make_csv_writer, find_whole_csv},
    row_format{"events", "events.csv", true, false, make_event_writer, find_whole_csv},
};

template <class Wanted>
std::vector<const row_format*> formats_that(Wanted wanted) {
    std::vector<const row_format*> chosen;
    for (const row_format& each : known_row_formats) {
        if (std::invoke(wanted, each)) chosen.push_back(&each);
    }
    return chosen;
}

}  // namespace

std::vector<const row_format*> all_formats() {
    return formats_that([](const row_format&) { return true; });
}

std::vector<const row_format*> usual_formats() {
    return formats_that(&row_format::usual);
}

std::string join_names(std::span<const row_format* const> formats, std::string_view separator) {
    std::string joined;
    for (const row_format* each : formats)
        joined.append(joined.empty() ? "" : separator).append(each->name);
    return joined;
}

result<std::vector<const row_format*>> choose_formats(std::span<const std::string> names) {
    for (const auto& name : names) {
        if (std::ranges::find(known_row_formats, name, &row_format::name) != known_row_formats.end()) continue;
        return fail(errc::invalid_argument,
                    fmt::format("unknown format '{}'; choose one of: {}", name, join_names(all_formats(), ", ")));
    }
    return formats_that([&](const row_format& each) { return std::ranges::find(names, each.name) != names.end(); });
}

const row_format* format_of_file(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(known_row_formats, name, &row_format::file);
    return found == known_row_formats.end() ? nullptr : found;
}

}  // namespace faceflow::internal::media
