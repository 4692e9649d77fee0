// SPDX-License-Identifier: Apache-2.0
// The models on a device, beside what it can multiply.
#pragma once

#include <string>
#include <vector>

#include "costs.hpp"
#include "gpu_bed.hpp"

namespace faceflow::internal::bench {

struct model_row {
    std::string name;
    double first_ms = 0;      // of the first run on that batch: until the host has it
    double by_kernel_us = 0;  // every kernel launched by the host
    double graph_us = 0;      // all as one graph; 0 where the device has none
    model_cost cost;
    // As a run does it.
    [[nodiscard]] double us() const { return graph_us > 0 ? graph_us : by_kernel_us; }
};

// FLOP/s of a large product of matrices, by ONNX Runtime in fp32; 0 where that is not there.
[[nodiscard]] double matrix_rate(bed& b);

// Both models, on the batches that passes use.
[[nodiscard]] std::vector<model_row> model_rows(bed& b);

}  // namespace faceflow::internal::bench
