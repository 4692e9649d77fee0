// SPDX-License-Identifier: Apache-2.0
// What the service measures, as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "serve/service.hpp"

namespace faceflow::internal::serve {

[[nodiscard]] nlohmann::ordered_json to_json(const source_report& r);

// Frames, drops and errors by reason, latencies, transfers and syncs, cache and pool, since the service began.
[[nodiscard]] nlohmann::ordered_json statistics(const service& of);

}  // namespace faceflow::internal::serve
