// SPDX-License-Identifier: Apache-2.0
// Finds the cheapest pairing of rows with columns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace faceflow::internal::vision {

// Minimum-cost assignment on a rectangular matrix by shortest augmenting paths with potentials (H. Kuhn 1955; R. Jonker
// and A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", 1987). Time
// O(min(r, c)^2 * max(r, c)); scratch memory is kept between calls. Not thread-safe. Deterministic: the same matrix
// always gives the same pairs, ties included.
class assignment {
public:
    static constexpr std::int32_t none = -1;

    // `cost` is row-major, rows x columns, of any sign. Minimises the sum over all pairs of (cost - limit), so that no
    // pair costs `limit` or more and a row or column stays alone where that is cheaper. NaN counts as forbidden.
    // Returns the column of each row, or `none`; valid until the next call.
    std::span<const std::int32_t> solve(std::span<const float> cost, std::size_t rows, std::size_t columns,
                                        float limit);

private:
    void load(std::span<const float> cost, std::size_t rows, std::size_t columns, double limit);
    void augment(std::size_t row, std::size_t columns);

    std::vector<double> cost_;  // clamped, and transposed if there are more rows than columns
    std::vector<double> row_potential_, column_potential_, slack_;
    std::vector<std::size_t> owner_, previous_;  // per column: its row, and the column before it on the path
    std::vector<char> done_;
    std::vector<std::int32_t> pairs_;
};

}  // namespace faceflow::internal::vision
