// SPDX-License-Identifier: Apache-2.0
// Any bytes as a model catalogue: checked entries or an error, nothing else.
#include <cstdint>

#include "inference/catalogue.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto entries = faceflow::internal::inference::parse_catalogue({reinterpret_cast<const char*>(data), size});
    if (entries) {
        for (const auto& e : *entries) {
            if (e.sha256.size() != 64 || e.file.empty() || e.file.find('/') != std::string::npos) __builtin_trap();
        }
    } else if (entries.error().message.empty()) {
        __builtin_trap();
    }
    return 0;
}
