// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "device/device.hpp"
#include "flow/stages/models.hpp"

namespace faceflow::internal::flow {

// A device with the models loaded for it.
struct device_context {
    faceflow::internal::device* device = nullptr;
    model_set models;
};

}  // namespace faceflow::internal::flow
