// SPDX-License-Identifier: Apache-2.0
// The HTTP API of the service, as docs/schema/openapi.json describes it, and its page.
#pragma once

#include "serve/http.hpp"
#include "serve/service.hpp"

namespace faceflow::internal::serve {

// Answers a request; blocks while a picture is decoded, searched or drawn on. Thread-safe.
[[nodiscard]] http_response answer(service& of, const http_request& request);

// An error as the API gives it.
[[nodiscard]] http_response error_response(int status, std::string_view message);

}  // namespace faceflow::internal::serve
