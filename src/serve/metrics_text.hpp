// SPDX-License-Identifier: Apache-2.0
// What the service measures, in Prometheus's text format; docs/serve.md lists the names.
#pragma once

#include <string>

#include "serve/service.hpp"

namespace faceflow::internal::serve {

[[nodiscard]] std::string metrics_text(const service& of);

}  // namespace faceflow::internal::serve
