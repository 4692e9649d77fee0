// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda_indices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace faceflow::internal {
namespace {

tl::unexpected<error> no_cuda_list(std::string_view argument) {
    return fail(errc::invalid_argument, fmt::format("'{}' is not a list of CUDA devices; cuda:I,J,... takes different "
                                                    "numbers from 0, as nvidia-smi -L counts them, and cuda:all all",
                                                    argument));
}

}  // namespace

result<std::vector<int>> parse_cuda_indices(std::optional<std::string_view> index) {
    if (!index) return std::vector<int>{0};
    std::vector<int> indices;
    if (*index == "all") return indices;
    const char* at = index->data();
    const char* const end = at + index->size();
    while (true) {
        int number = -1;
        const auto [stopped, problem] = std::from_chars(at, end, number);
        const bool repeated = std::find(indices.begin(), indices.end(), number) != indices.end();
        if (problem != std::errc{} || number < 0 || repeated) return no_cuda_list(*index);
        indices.push_back(number);
        if (stopped == end) return indices;
        if (*stopped != ',') return no_cuda_list(*index);
        at = stopped + 1;
    }
}

}  // namespace faceflow::internal
