// SPDX-License-Identifier: Apache-2.0
// Runs a network with native kernels on the CPU (prepared_network.hpp), for the flows.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/host_precision.hpp"
#include "inference/network.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::inference {

// Loads the plan beside the model; for devices whose kernels are host functions. Weights are in host memory, bindings
// use the device's pool, and threads that share a run come from device::helpers. errc::unsupported without a plan;
// errc::corrupt.
[[nodiscard]] result<std::shared_ptr<network>> make_cpu_network(device& d, const network_request& wanted);
// From a plan that parse_plan has checked.
[[nodiscard]] std::shared_ptr<network> make_cpu_network(plan of, threading how = threading::caller,
                                                        host_precision in_what = host_precision::fp32);

}  // namespace faceflow::internal::inference
