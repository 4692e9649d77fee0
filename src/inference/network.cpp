// SPDX-License-Identifier: Apache-2.0
#include "inference/network.hpp"

#include <functional>
#include <numeric>

namespace faceflow::internal::inference {

std::int64_t network_output::length() const {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace faceflow::internal::inference
