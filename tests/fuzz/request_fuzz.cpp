// SPDX-License-Identifier: Apache-2.0
// Targets of HTTP requests, and what decides who may make them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/access.hpp"
#include "serve/http.hpp"

using namespace faceflow::internal::serve;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    http_request r;
    if (split_target(text, r) && (r.path.empty() || r.path.find('\0') != std::string::npos)) std::abort();
    if (const auto address = parse_listen_address(text); address && address->host.empty()) std::abort();
    const std::string_view host = text.substr(0, text.find('\n')), rest = text.substr(host.size());
    const access_rules open(true, ""), closed(false, "a token that nobody guesses");
    static_cast<void>(open.check({.host = host, .origin = rest}));
    if (closed.check({.host = host, .authorization = rest, .token = rest}) == 0) std::abort();
    return 0;
}
