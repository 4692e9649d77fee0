// SPDX-License-Identifier: Apache-2.0
// The token of a service, where its commands find it.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "faceflow/result.hpp"

namespace faceflow::internal::cli {

// The first line of the file; without a file, what FACEFLOW_TOKEN says in the environment, or nothing. errc::not_found
// for a file without a token.
[[nodiscard]] inline result<std::string> read_token(const std::string& file) {
    if (file.empty()) {
        const char* const set = std::getenv("FACEFLOW_TOKEN");
        return std::string(set == nullptr ? "" : set);
    }
    std::ifstream in(file);
    std::string token;
    if (!in || !std::getline(in, token) || token.empty())
        return fail(errc::not_found, fmt::format("there is no token in {}: write one line with it", file));
    return token;
}

}  // namespace faceflow::internal::cli
