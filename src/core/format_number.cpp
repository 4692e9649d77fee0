// SPDX-License-Identifier: Apache-2.0
#include "core/format_number.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>

namespace faceflow::internal {
namespace {

constexpr std::array<double, 10> power_of_ten{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

// |value| in units of the last digit, rounded. `scaled` is the product rounded to double, below 2^52, so its fraction
// is exact and can be one half; only then does the rounding of the product itself matter.
std::uint64_t units_of(double magnitude, double power, double scaled) {
    auto units = static_cast<std::uint64_t>(scaled);
    const double rest = scaled - static_cast<double>(units);
    if (rest > 0.5 || (rest == 0.5 && std::fma(magnitude, power, -scaled) >= 0)) ++units;
    return units;
}

constexpr auto digit_pairs = [] {
    std::array<char, 200> text{};
    for (std::size_t i = 0; i < 100; ++i) {
        text[2 * i] = static_cast<char>('0' + i / 10);
        text[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return text;
}();

// Writes the digits before `end`, with a point before the last `decimals`. Two digits per division, and 32-bit
// divisions where possible: most of the time for writing a frame's results is spent here.
template <class Unsigned>
char* write_backwards(char* end, Unsigned units, int decimals) {
    const auto pair = [&] {
        end -= 2;
        std::memcpy(end, &digit_pairs[2 * static_cast<std::size_t>(units % 100)], 2);
        units /= 100;
    };
    const auto digit = [&] {
        *--end = static_cast<char>('0' + units % 10);
        units /= 10;
    };
    if (decimals > 0) {
        if (decimals % 2 != 0) digit();
        for (int i = 1; i < decimals; i += 2)
            pair();
        *--end = '.';
    }
    while (units >= 100)
        pair();
    if (units >= 10) {
        pair();
    } else {
        digit();
    }
    return end;
}

template <class Integer>
void append_any(std::string& out, Integer value) {
    std::array<char, 24> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    out.append(text.data(), static_cast<std::size_t>(end - text.data()));
}

}  // namespace

void append_fixed(std::string& out, double value, int decimals, std::string_view not_finite) {
    decimals = std::clamp(decimals, 0, 9);
    const double magnitude = std::fabs(value), power = power_of_ten[static_cast<std::size_t>(decimals)];
    const double scaled = magnitude * power;
    if (!(scaled < 0x1p52)) {
        if (std::isfinite(value)) {
            fmt::format_to(std::back_inserter(out), "{:.{}f}", value, decimals);
        } else {
            out.append(not_finite);
        }
        return;
    }
    const std::uint64_t units = units_of(magnitude, power, scaled);
    std::array<char, 32> text;
    char* const end = text.data() + text.size();
    char* begin = units <= 0xffffffffu ? write_backwards(end, static_cast<std::uint32_t>(units), decimals)
                                       : write_backwards(end, units, decimals);
    if (value < 0 && units != 0) *--begin = '-';
    out.append(begin, static_cast<std::size_t>(end - begin));
}

void append_integer(std::string& out, std::int64_t value) {
    append_any(out, value);
}
void append_integer(std::string& out, std::uint64_t value) {
    append_any(out, value);
}

}  // namespace faceflow::internal
