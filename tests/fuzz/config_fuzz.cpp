// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file: arguments or an error, nothing else.
#include <cstdint>

#include "cli/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::vector<std::string> keys{"out", "limit", "smooth", "format", "detect-every", "min-score"};
    static const std::vector<std::string> tuning{"min-score", "detect-every"};
    const auto args =
        faceflow::internal::cli::config_arguments({reinterpret_cast<const char*>(data), size}, keys, tuning);
    if (args) {
        for (const auto& a : *args) {
            if (!a.starts_with("--")) __builtin_trap();
        }
    } else if (args.error().message.empty()) {
        __builtin_trap();
    }
    return 0;
}
