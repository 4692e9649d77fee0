// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.hpp"
#include "flow/option_table.hpp"

namespace faceflow::internal::cli {
namespace {

// The flag that sets an option, and which part of its value is meant.
struct option_place {
    std::string flag;  // without dashes
    std::string_view part;
};

option_place place_of_option(const std::string& option) {
    if (const auto* known = flow::find_option(option)) return {known->flag, known->part};
    std::string flag = option;  // an option of the command itself
    std::replace(flag.begin(), flag.end(), '_', '-');
    return {flag, ""};
}

}  // namespace

error given::in_its_words(error e) const {
    if (e.option.empty() || command == nullptr || !e.message.starts_with(e.option)) return e;
    const auto [flag, part] = place_of_option(e.option);
    if (command->get_option_no_throw("--" + flag) == nullptr) return e;
    const bool from_file = std::find(keys.begin(), keys.end(), flag) != keys.end();
    e.message.replace(0, e.option.size(),
                      fmt::format("{}{}{}{}", from_file ? file + ": " : "", part, from_file ? "" : "--", flag));
    return e;
}

error given::in_its_words(const CLI::ParseError& e) const {
    std::string message = e.what();
    constexpr std::string_view conversion = "Could not convert: ";
    if (message.starts_with(conversion)) {
        const auto equals = message.find(" = ");
        message =
            fmt::format("{}: '{}' is not a valid value", message.substr(conversion.size(), equals - conversion.size()),
                        equals == std::string::npos ? "" : message.substr(equals + 3));
    }
    for (const auto& key : keys) {
        if (message.starts_with("--" + key + ":")) message = fmt::format("{}: {}", file, message.substr(2));
    }
    return {errc::invalid_argument, message};
}

}  // namespace faceflow::internal::cli
