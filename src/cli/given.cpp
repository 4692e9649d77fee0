// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.hpp"

namespace faceflow::cli {
namespace {

bool has_option(const CLI::App& command, const std::string& name) {
    return command.get_option_no_throw("--" + name) != nullptr;
}

// The option that sets a field, and what of it is meant.
std::pair<std::string, std::string> option_of(std::string field) {
    if (field == "detect_width") return {"detect-size", "the width of "};
    if (field == "detect_height") return {"detect-size", "the height of "};
    std::replace(field.begin(), field.end(), '_', '-');
    return {field, ""};
}

}  // namespace

error given::in_its_words(error e) const {
    const auto end = e.message.find(" must be ");
    if (e.code != errc::invalid_argument || command == nullptr || end == std::string::npos) return e;
    const auto [name, part] = option_of(e.message.substr(0, end));
    if (!has_option(*command, name)) return e;
    const bool from_file = std::find(keys.begin(), keys.end(), name) != keys.end();
    e.message = fmt::format("{}{}{}{}{}", from_file ? file + ": " : "", part, from_file ? "" : "--", name,
                            e.message.substr(end));
    return e;
}

error given::in_its_words(const CLI::ParseError& e) const {
    std::string message = e.what();
    constexpr std::string_view conversion = "Could not convert: ";
    if (message.starts_with(conversion)) {
        const auto equals = message.find(" = ");
        message = fmt::format("{}: '{}' is not a value that it can have",
                              message.substr(conversion.size(), equals - conversion.size()),
                              equals == std::string::npos ? "" : message.substr(equals + 3));
    }
    for (const auto& key : keys) {
        if (message.starts_with("--" + key + ":")) message = fmt::format("{}: {}", file, message.substr(2));
    }
    return {errc::invalid_argument, message};
}

int report(const error& e, const given& options) {
    return report(options.in_its_words(e));
}

}  // namespace faceflow::cli
