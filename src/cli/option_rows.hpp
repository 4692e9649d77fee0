// SPDX-License-Identifier: Apache-2.0
// Command line options generated from rows of the engine's option table.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "core/try.hpp"
#include "flow/option_table.hpp"

namespace faceflow::internal::cli {

// "--batch-deadline-ms" for batch_deadline_ms.
[[nodiscard]] std::string flag_of(std::string_view name);

// A text option parsed by `parse`; its error is reported as one of the command line that names the option.
CLI::Option* add_parsed(CLI::App& app, const std::string& flag, const std::string& help, const std::string& usual,
                        std::function<result<void>(const std::string&)> parse);

// Declares the row's option, which sets `into`; the present value of `into` is the default. `into` must outlive the
// parsing.
template <auto... Path>
CLI::Option* declare(CLI::App& app, const flow::option_row<Path...>& row,
                     typename flow::option_row<Path...>::value_type& into) {
    using value_type = typename flow::option_row<Path...>::value_type;
    const std::string flag = flag_of(row.flag.empty() ? row.name : row.flag), help(row.help);
    const std::vector<std::string> words(row.words.begin(), row.words.end());
    CLI::Option* option = nullptr;
    if constexpr (std::is_same_v<value_type, bool>) {
        option = words.empty() ? app.add_flag(fmt::format("{0},!--no-{1}", flag, flag.substr(2)), into, help)
                                     ->default_str(into ? "on" : "off")
                               : add_switch(app, flag, into, help);
    } else if constexpr (std::is_same_v<value_type, std::filesystem::path>) {
        option = app.add_option_function<std::string>(
            flag, [&into](const std::string& given) { into = given; }, help);
    } else if constexpr (std::is_same_v<value_type, std::size_t>) {
        option = add_parsed(app, flag, help, bytes_text(into), [&into](const std::string& given) -> result<void> {
            FACEFLOW_ASSIGN(into, parse_bytes(given));
            return {};
        });
    } else if constexpr (std::is_enum_v<value_type>) {
        option = app.add_option_function<std::string>(
            flag,
            [&into, words](const std::string& given) {
                into = static_cast<value_type>(std::find(words.begin(), words.end(), given) - words.begin());
            },
            help);
        option->default_str(words[static_cast<std::size_t>(into)]);
    } else {
        option = app.add_option(flag, into, help)->capture_default_str();
    }
    if (!words.empty() && !std::is_same_v<value_type, bool>) {
        one_of(*option, words);
    } else if (!row.value.empty()) {
        option->type_name(std::string(row.value));
    }
    return option;
}

}  // namespace faceflow::internal::cli
