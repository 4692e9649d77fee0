// SPDX-License-Identifier: Apache-2.0
#include "core/format_number.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

namespace faceflow::internal {
namespace {

std::string fixed(double v, int decimals) {
    std::string out;
    append_fixed(out, v, decimals);
    return out;
}

std::string printed(double v, int decimals) {
    char text[512];
    std::snprintf(text, sizeof text, "%.*f", decimals, v);
    return text;
}

// A tie that printf rounds to even, or a zero with a sign: the two documented differences.
bool may_differ(double v, int decimals) {
    const long double units = std::fabs(static_cast<long double>(v)) * std::pow(10.0L, decimals);
    return units - std::floor(units) == 0.5L || printed(v, decimals).find_first_not_of("-0.") == std::string::npos;
}

TEST(format_number, agrees_with_printf_on_random_values) {
    std::mt19937_64 rng(1);
    for (const double range : {1e-3, 1.0, 4000.0, 1e6, 1e9}) {
        std::uniform_real_distribution<double> value(-range, range);
        for (int i = 0; i < 200'000; ++i) {
            const double v = i % 2 == 0 ? value(rng) : static_cast<double>(static_cast<float>(value(rng)));
            const int decimals = i % 7;
            if (may_differ(v, decimals)) continue;
            ASSERT_EQ(fixed(v, decimals), printed(v, decimals)) << v;
        }
    }
}

TEST(format_number, rounds_the_exact_binary_value_next_to_a_tie) {
    for (int i = 0; i < 20'000; ++i) {  // the doubles nearest to n + 0.0005, and their neighbours
        const double tie = (2.0 * i + 1) / 2000;
        for (const double v : {std::nextafter(tie, 0.0), tie, std::nextafter(tie, 1e9)}) {
            if (may_differ(v, 3)) continue;
            ASSERT_EQ(fixed(v, 3), printed(v, 3)) << i;
        }
    }
}

TEST(format_number, rounds_ties_away_from_zero) {
    EXPECT_EQ(fixed(0.125, 2), "0.13");
    EXPECT_EQ(fixed(-0.125, 2), "-0.13");
    EXPECT_EQ(fixed(2.5, 0), "3");
    EXPECT_EQ(fixed(0.0625, 3), "0.063");
    EXPECT_EQ(fixed(1.0005, 3), "1.000");  // its double lies below the tie
}

TEST(format_number, zero_has_no_sign) {
    EXPECT_EQ(fixed(-0.0, 3), "0.000");
    EXPECT_EQ(fixed(-0.0004, 3), "0.000");
    EXPECT_EQ(fixed(-0.0006, 3), "-0.001");
    EXPECT_EQ(fixed(0, 0), "0");
}

TEST(format_number, writes_all_decimals_and_appends) {
    std::string out = "x=";
    append_fixed(out, 12, 3);
    out += ' ';
    append_fixed(out, -1234567.5, 1);
    out += ' ';
    append_fixed(out, 0.000000001, 9);
    EXPECT_EQ(out, "x=12.000 -1234567.5 0.000000001");
}

TEST(format_number, huge_values_are_written_out) {
    for (const double v : {4503599627370.4, 1e15, 1e300, -1e300, std::numeric_limits<double>::max()}) {
        EXPECT_EQ(fixed(v, 3), printed(v, 3));
    }
    EXPECT_EQ(fixed(4294967.295, 3), "4294967.295");
    EXPECT_EQ(fixed(4294967.296, 3), "4294967.296");
}

TEST(format_number, what_is_not_finite_becomes_the_given_text) {
    const double inf = std::numeric_limits<double>::infinity();
    EXPECT_EQ(fixed(std::nan(""), 3), "null");
    EXPECT_EQ(fixed(-inf, 3), "null");
    std::string out;
    append_fixed(out, inf, 3, "");
    EXPECT_EQ(out, "");
}

TEST(format_number, does_not_follow_the_locale) {
    const std::string before = std::setlocale(LC_ALL, nullptr);
    for (const char* locale : {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"}) {
        if (std::setlocale(LC_ALL, locale) == nullptr) continue;  // not installed here
        EXPECT_EQ(fixed(1234.5, 2), "1234.50");
        EXPECT_EQ(fixed(1e17, 1), "100000000000000000.0");
    }
    std::setlocale(LC_ALL, before.c_str());
}

TEST(format_number, writes_integers_at_their_limits) {
    std::string out;
    append_integer(out, std::numeric_limits<std::uint64_t>::max());
    out += ' ';
    append_integer(out, std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(out, "18446744073709551615 -9223372036854775808");
}

}  // namespace
}  // namespace faceflow::internal
