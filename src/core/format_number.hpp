// SPDX-License-Identifier: Apache-2.0
// Numbers as text, for files with thousands of them a frame.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace faceflow {

// Appends `value` with exactly `decimals` (0..9) digits behind the point: "-1.250", "0.000". The exact binary value is
// rounded to the nearest such decimal, a tie away from zero (printf: to even); from 2^52 units of the last digit on, a tie
// goes to even. Zero never has a sign. Infinities and NaN append `not_finite` instead. No locale, no allocation but the
// string's.
void append_fixed(std::string& out, double value, int decimals, std::string_view not_finite = "null");

void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);

// Either: `decimals` and `not_finite` are those of fractions.
template <class Number>
requires std::integral<Number> || std::floating_point<Number>
void append_number(std::string& out, Number value, int decimals, std::string_view not_finite) {
    if constexpr (std::floating_point<Number>) {
        append_fixed(out, static_cast<double>(value), decimals, not_finite);
    } else if constexpr (std::signed_integral<Number>) {
        append_integer(out, std::int64_t{value});
    } else {
        append_integer(out, std::uint64_t{value});
    }
}

}  // namespace faceflow
