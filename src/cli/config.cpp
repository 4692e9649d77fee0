// SPDX-License-Identifier: Apache-2.0
#include "cli/config.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>
#include <optional>

#include "core/nearest.hpp"
#include "core/try.hpp"

namespace faceflow::internal::cli {
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

// The command-line argument for a key.
result<std::string> argument_of(const std::string& name, const toml::node& node) {
    if (const auto* flag = node.as_boolean()) return fmt::format("--{}{}", flag->get() ? "" : "no-", name);
    if (const auto value = text_of(node)) return fmt::format("--{}={}", name, *value);
    return fail(errc::invalid_argument,
                fmt::format("line {}: '{}' needs a string, a number, true, false or a list of these",
                            node.source().begin.line, name));
}

constexpr std::string_view tuning_table = "tuning";
// NAME = "INPUT", each of which is an option `source` of the command that has it.
constexpr std::string_view sources_table = "sources", source_key = "source";

class config_reader {
public:
    // Reads the keys of a table, which must be among `known`; errors prefix their names with `within`.
    result<void> read(const toml::table& from, std::span<const std::string> known, std::string_view within,
                      std::span<const std::string> tuning) {
        for (const auto& [key, node] : from) {
            const std::string name(key.str());
            if (name == tuning_table && !tuning.empty() && node.is_table()) continue;
            if (const auto* sources = node.as_table();
                sources != nullptr && name == sources_table && std::ranges::find(known, source_key) != known.end()) {
                FACEFLOW_TRY(read_sources(*sources));
                continue;
            }
            const auto line = key.source().begin.line;
            if (std::find(known.begin(), known.end(), name) == known.end()) {
                const auto near = nearest(name, known);
                return fail(errc::invalid_argument,
                            fmt::format("line {}: unknown key '{}{}'{}", line, within, name,
                                        near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
            }
            if (std::find(seen_.begin(), seen_.end(), name) != seen_.end()) {
                return fail(errc::invalid_argument,
                            fmt::format("line {}: '{}' is set twice, in [{}] and outside", line, name, tuning_table));
            }
            FACEFLOW_ASSIGN(auto argument, argument_of(name, node));
            seen_.push_back(name);
            arguments.push_back(std::move(argument));
        }
        const auto* inner = from[tuning_table].as_table();
        if (inner == nullptr || tuning.empty()) return {};
        return read(*inner, tuning, fmt::format("{}.", tuning_table), {});
    }

    std::vector<std::string> arguments;

private:
    result<void> read_sources(const toml::table& from) {
        for (const auto& [name, input] : from) {
            const auto* text = input.as_string();
            if (text == nullptr) {
                return fail(errc::invalid_argument, fmt::format("line {}: the source '{}' needs a string, its input",
                                                                name.source().begin.line, name.str()));
            }
            arguments.push_back(fmt::format("--{}={}={}", source_key, name.str(), text->get()));
        }
        return {};
    }

    std::vector<std::string> seen_;
};

}  // namespace

result<std::vector<std::string>> config_arguments(std::string_view text, std::span<const std::string> keys,
                                                  std::span<const std::string> tuning) {
    toml::table parsed;
    try {
        parsed = toml::parse(text);
    } catch (const toml::parse_error& e) {
        return fail(errc::invalid_argument, fmt::format("line {}: {}", e.source().begin.line, e.description()));
    }
    config_reader reader;
    FACEFLOW_TRY(reader.read(parsed, keys, "", tuning));
    return std::move(reader.arguments);
}

}  // namespace faceflow::internal::cli
