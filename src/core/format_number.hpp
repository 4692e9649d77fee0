// SPDX-License-Identifier: Apache-2.0
// Formats numbers as text, for files with thousands of them per frame.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace faceflow::internal {

// Appends `value` with exactly `decimals` (0..9) digits after the point: "-1.250", "0.000". The exact binary value is
// rounded to the nearest decimal, ties away from zero (printf: to even); from 2^52 units of the last digit on, ties go
// to even. Zero has no sign. Infinities and NaN append `not_finite`. Independent of the locale; allocates only in the
// string.
void append_fixed(std::string& out, double value, int decimals, std::string_view not_finite = "null");

void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);

// Appends an integer or a fraction; `decimals` and `not_finite` apply only to fractions.
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

}  // namespace faceflow::internal
