// SPDX-License-Identifier: Apache-2.0
// The figures of a comparison, described once for all output formats.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "analysis/report.hpp"

namespace faceflow::internal::analysis {

struct measure {
    std::string_view key;                                               // of CSV columns
    std::string_view title;                                             // for the user
    double (*value)(const compare_row& row, double frames_per_second);  // NaN if the flow has no such figure
    double unit = 1;                                                    // divisor in the table
    int decimals = 1;
    std::string_view suffix = {};  // of numbers in the table
    bool per_second = false;       // at the source's frame rate
};

// In the order of the table.
[[nodiscard]] std::span<const measure> all_measures() noexcept;

// Change in percent; nullopt when the first value is 0 and the other is not, or either is NaN; 0 when both are 0.
[[nodiscard]] std::optional<double> change_percent(double first, double value) noexcept;

// "3 110 400", "93.3 MB": in the table's unit, thousands apart; "-" for NaN.
[[nodiscard]] std::string number(const measure& m, double value);

// "12", "0.5": without trailing zeros; nothing for NaN.
[[nodiscard]] std::string plain(double value, int max_decimals = 6);

// "reference", "yes", "within 0.42 px", "99.3 % within 1 px" (see converted_share) or "other faces".
[[nodiscard]] std::string faces_text(const compare_row& row);

}  // namespace faceflow::internal::analysis
