// SPDX-License-Identifier: Apache-2.0
// Asks a running service, for `faceflow top`.
#pragma once

#include <string>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow::internal::serve {

struct service_address {
    bool tls = false;
    std::string host = "127.0.0.1", port = "8080";
};
// "http://127.0.0.1:8080/", "https://door.lab", "127.0.0.1:8080" or "8080". errc::invalid_argument.
[[nodiscard]] result<service_address> parse_service_address(std::string_view text);
[[nodiscard]] std::string to_text(const service_address& a);

// The body of the answer to GET, within five seconds. With TLS the certificate must be one that the system trusts, or
// `certificate` a file with it. errc::unavailable if nothing answers there, errc::invalid_argument for an answer that
// is not 200 (with its reason).
[[nodiscard]] result<std::string> get(const service_address& from, const std::string& path, const std::string& token,
                                      const std::string& certificate);

}  // namespace faceflow::internal::serve
