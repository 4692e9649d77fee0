// SPDX-License-Identifier: Apache-2.0
#include "cli/config.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>
#include <optional>

#include "core/nearest.hpp"

namespace faceflow::cli {
namespace {

// A value as it would be typed on the command line.
std::optional<std::string> text_of(const toml::node& node) {
    if (const auto* s = node.as_string()) return s->get();
    if (const auto* i = node.as_integer()) return fmt::format("{}", i->get());
    if (const auto* f = node.as_floating_point()) return fmt::format("{}", f->get());
    if (const auto* list = node.as_array()) {
        std::string joined;
        for (const auto& item : *list) {
            const auto text = item.is_array() ? std::nullopt : text_of(item);
            if (!text) return std::nullopt;
            if (!joined.empty()) joined += ',';
            joined += *text;
        }
        return joined;
    }
    return std::nullopt;
}

}  // namespace

result<std::vector<std::string>> config_arguments(std::string_view text, std::span<const std::string> keys) {
    toml::table parsed;
    try {
        parsed = toml::parse(text);
    } catch (const toml::parse_error& e) {
        return fail(errc::invalid_argument, fmt::format("line {}: {}", e.source().begin.line, e.description()));
    }
    std::vector<std::string> arguments;
    for (const auto& [key, node] : parsed) {
        const std::string name(key.str());
        if (std::find(keys.begin(), keys.end(), name) == keys.end()) {
            const auto near = nearest(name, keys);
            return fail(errc::invalid_argument,
                        fmt::format("line {}: unknown key '{}'{}", key.source().begin.line, name,
                                    near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
        }
        if (const auto* flag = node.as_boolean()) {
            arguments.push_back(fmt::format("--{}{}", flag->get() ? "" : "no-", name));
            continue;
        }
        const auto value = text_of(node);
        if (!value) {
            return fail(errc::invalid_argument,
                        fmt::format("line {}: '{}' needs a text, a number, true, false or a list of those",
                                    node.source().begin.line, name));
        }
        arguments.push_back(fmt::format("--{}={}", name, *value));
    }
    return arguments;
}

}  // namespace faceflow::cli
