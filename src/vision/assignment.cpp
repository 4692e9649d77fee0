// SPDX-License-Identifier: Apache-2.0
#include "vision/assignment.hpp"

#include <limits>

namespace faceflow::internal::vision {

// Clamping to the limit turns "stay alone" into a pair that costs the limit: every partial pairing extends to a full
// one at the limit a pair, so the best full pairing without its pairs at the limit is the best partial one.
void assignment::load(std::span<const float> cost, std::size_t rows, std::size_t columns, double limit) {
    const bool turned = rows > columns;
    cost_.resize(rows * columns);
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t c = 0; c < columns; ++c) {
            const double v = static_cast<double>(cost[r * columns + c]);
            cost_[turned ? c * rows + r : r * columns + c] = v < limit ? v : limit;  // NaN fails the comparison
        }
    }
}

// Finds the cheapest path from `row` to a free column and flips the pairs along it. Rows and columns count from 1;
// column 0 stands for the unassigned row.
void assignment::augment(std::size_t row, std::size_t columns) {
    slack_.assign(columns + 1, std::numeric_limits<double>::infinity());
    done_.assign(columns + 1, 0);
    owner_[0] = row;
    std::size_t column = 0;
    do {
        done_[column] = 1;
        const std::size_t at = owner_[column];
        const double* costs = &cost_[(at - 1) * columns];
        double step = std::numeric_limits<double>::infinity();
        std::size_t next = 0;
        for (std::size_t c = 1; c <= columns; ++c) {
            if (done_[c] != 0) continue;
            const double reduced = costs[c - 1] - row_potential_[at] - column_potential_[c];
            if (reduced < slack_[c]) {
                slack_[c] = reduced;
                previous_[c] = column;
            }
            if (slack_[c] < step) {  // strict: among equals, the first column wins
                step = slack_[c];
                next = c;
            }
        }
        for (std::size_t c = 0; c <= columns; ++c) {
            if (done_[c] != 0) {
                row_potential_[owner_[c]] += step;
                column_potential_[c] -= step;
            } else {
                slack_[c] -= step;
            }
        }
        column = next;
    } while (owner_[column] != 0);
    while (column != 0) {
        const std::size_t before = previous_[column];
        owner_[column] = owner_[before];
        column = before;
    }
}

std::span<const std::int32_t> assignment::solve(std::span<const float> cost, std::size_t rows, std::size_t columns,
                                                float limit) {
    pairs_.assign(rows, none);
    if (rows == 0 || columns == 0) return pairs_;
    load(cost, rows, columns, static_cast<double>(limit));

    const bool turned = rows > columns;
    const std::size_t few = turned ? columns : rows, many = turned ? rows : columns;
    row_potential_.assign(few + 1, 0);
    column_potential_.assign(many + 1, 0);
    owner_.assign(many + 1, 0);
    previous_.assign(many + 1, 0);
    for (std::size_t row = 1; row <= few; ++row)
        augment(row, many);

    for (std::size_t c = 1; c <= many; ++c) {
        if (owner_[c] == 0) continue;
        const std::size_t r = turned ? c - 1 : owner_[c] - 1;
        const std::size_t k = turned ? owner_[c] - 1 : c - 1;
        if (cost[r * columns + k] < limit) pairs_[r] = static_cast<std::int32_t>(k);
    }
    return pairs_;
}

}  // namespace faceflow::internal::vision
