// SPDX-License-Identifier: Apache-2.0
#include "vision/assignment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

namespace faceflow::internal::vision {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

struct matrix {
    std::size_t rows, columns;
    std::vector<float> cost;
    float at(std::size_t r, std::size_t c) const { return cost[r * columns + c]; }
};

matrix random_matrix(std::mt19937& rng, std::size_t rows, std::size_t columns, int steps) {
    matrix m{rows, columns, std::vector<float>(rows * columns)};
    std::uniform_int_distribution<int> value(-steps / 4, steps);
    for (float& v : m.cost)
        v = static_cast<float>(value(rng)) / static_cast<float>(steps);
    return m;
}

// The least sum of (cost - limit) over all partial pairings of rows `row` and on.
double best_by_force(const matrix& m, float limit, std::size_t row, unsigned taken) {
    if (row == m.rows) return 0;
    double best = best_by_force(m, limit, row + 1, taken);
    for (std::size_t c = 0; c < m.columns; ++c) {
        if ((taken >> c & 1u) != 0 || !(m.at(row, c) < limit)) continue;
        const double gain = static_cast<double>(m.at(row, c)) - static_cast<double>(limit);
        best = std::min(best, gain + best_by_force(m, limit, row + 1, taken | 1u << c));
    }
    return best;
}

double total(const matrix& m, std::span<const std::int32_t> pairs, float limit) {
    double sum = 0;
    std::set<std::int32_t> used;
    for (std::size_t r = 0; r < m.rows; ++r) {
        if (pairs[r] == assignment::none) continue;
        EXPECT_TRUE(used.insert(pairs[r]).second) << "column " << pairs[r] << " has two rows";
        EXPECT_LT(m.at(r, static_cast<std::size_t>(pairs[r])), limit);
        sum += static_cast<double>(m.at(r, static_cast<std::size_t>(pairs[r]))) - static_cast<double>(limit);
    }
    return sum;
}

TEST(assignment, is_as_cheap_as_brute_force_on_every_small_shape) {
    std::mt19937 rng(7);
    assignment solver;
    for (std::size_t rows = 1; rows <= 6; ++rows) {
        for (std::size_t columns = 1; columns <= 6; ++columns) {
            for (int trial = 0; trial < 40; ++trial) {
                const int steps = trial % 2 == 0 ? 1000 : 4;  // few steps: many ties
                const float limit = trial % 3 == 0 ? 0.5f : 2.0f;
                matrix m = random_matrix(rng, rows, columns, steps);
                if (trial % 5 == 0) m.cost[rng() % m.cost.size()] = inf;
                const auto pairs = solver.solve(m.cost, rows, columns, limit);
                ASSERT_EQ(pairs.size(), rows);
                EXPECT_NEAR(total(m, pairs, limit), best_by_force(m, limit, 0, 0), 1e-5) << rows << "x" << columns;
            }
        }
    }
}

TEST(assignment, finds_the_planted_optimum_of_200_by_200) {
    constexpr std::size_t n = 200;
    std::mt19937 rng(3);
    std::uniform_real_distribution<float> noise(0.1f, 1.0f);
    std::vector<std::size_t> hidden(n);
    for (std::size_t i = 0; i < n; ++i)
        hidden[i] = i;
    std::shuffle(hidden.begin(), hidden.end(), rng);
    std::vector<float> cost(n * n);
    for (float& v : cost)
        v = noise(rng);
    for (std::size_t r = 0; r < n; ++r)
        cost[r * n + hidden[r]] = 0.05f;
    assignment solver;
    const auto pairs = solver.solve(cost, n, n, 2);
    for (std::size_t r = 0; r < n; ++r)
        EXPECT_EQ(static_cast<std::size_t>(pairs[r]), hidden[r]);
}

TEST(assignment, pairs_as_many_as_fit_on_a_long_matrix) {
    std::mt19937 rng(5);
    assignment solver;
    for (const auto& [rows, columns] : {std::pair<std::size_t, std::size_t>{200, 7}, {7, 200}}) {
        const matrix m = random_matrix(rng, rows, columns, 1000);
        const auto pairs = solver.solve(m.cost, rows, columns, 2);
        EXPECT_EQ(std::count_if(pairs.begin(), pairs.end(), [](auto p) { return p != assignment::none; }), 7);
        total(m, pairs, 2);
    }
}

TEST(assignment, takes_a_dearer_pair_where_the_sum_gains) {
    const std::vector<float> cost{0.1f, 0.2f, 0.2f, 0.9f};
    assignment solver;
    const auto pairs = solver.solve(cost, 2, 2, 1);
    EXPECT_EQ(pairs[0], 1);
    EXPECT_EQ(pairs[1], 0);
}

TEST(assignment, leaves_rows_alone_that_only_have_forbidden_columns) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> cost{inf, nan, 0.5f, 0.1f};
    assignment solver;
    const auto pairs = solver.solve(cost, 2, 2, 1);
    EXPECT_EQ(pairs[0], assignment::none);
    EXPECT_EQ(pairs[1], 1);
}

TEST(assignment, gives_the_same_pairs_for_the_same_ties) {
    const std::vector<float> cost(9 * 9, 0.5f);
    assignment one, other;
    const auto first = one.solve(cost, 9, 9, 1);
    const std::vector<std::int32_t> kept(first.begin(), first.end());
    other.solve(std::vector<float>(4, 0.1f), 2, 2, 1);  // what was solved before must not matter
    const auto second = other.solve(cost, 9, 9, 1);
    EXPECT_TRUE(std::equal(kept.begin(), kept.end(), second.begin(), second.end()));
}

TEST(assignment, accepts_empty_matrices) {
    assignment solver;
    EXPECT_TRUE(solver.solve({}, 0, 3, 1).empty());
    const auto pairs = solver.solve({}, 2, 0, 1);
    ASSERT_EQ(pairs.size(), 2u);
    EXPECT_EQ(pairs[0], assignment::none);
}

}  // namespace
}  // namespace faceflow::internal::vision
