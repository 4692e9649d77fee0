// SPDX-License-Identifier: Apache-2.0
// Formats help: the same option names in --help, in the manual and in completions, and examples for each command.
#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <vector>

namespace faceflow::internal::cli {

// Applies to `app` and to commands added to it afterwards.
void use_help_format(CLI::App& app);

struct example {
    const char* what;
    const char* line;  // as it is typed
};
void give_examples(CLI::App& app, std::initializer_list<example> examples);

// "faceflow models list"
[[nodiscard]] std::string full_name(const CLI::App& app);

// The arguments after the name: "[OPTIONS] INPUT...".
[[nodiscard]] std::string arguments_of(const CLI::App& app);

// The parts of an option as typed; a flag that can be negated is [no-]NAME.
struct option_names {
    std::string shorter;  // "o", or empty
    std::string longer;   // "out", "[no-]video"; the name of a positional argument
    std::string value;    // "DIR", or empty
};
[[nodiscard]] option_names names_of(const CLI::Option& option);

// In the order of declaration.
[[nodiscard]] std::vector<CLI::App*> commands_of(CLI::App& app);

// Lists the choices in help, and in the error for any other value.
void one_of(CLI::Option& option, const std::vector<std::string>& choices);

// An option that is `on` or `off`.
CLI::Option* add_switch(CLI::App& app, const std::string& name, bool& on, const std::string& what);

}  // namespace faceflow::internal::cli
