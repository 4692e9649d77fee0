// SPDX-License-Identifier: Apache-2.0
// How help looks: the same names for options in --help, in the manual and in completions, and examples of each command.
#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <vector>

namespace faceflow::cli {

// The help of `app` and of what is added to it afterwards.
void use_help_format(CLI::App& app);

struct example {
    const char* what;
    const char* line;  // as it is typed
};
void give_examples(CLI::App& app, std::initializer_list<example> examples);

// "faceflow models list"
[[nodiscard]] std::string full_name(const CLI::App& app);

// What follows it: "[OPTIONS] INPUT..."
[[nodiscard]] std::string arguments_of(const CLI::App& app);

// Its parts as they are typed; a flag that can be taken back is [no-]NAME.
struct option_names {
    std::string shorter;  // "o", or empty
    std::string longer;   // "out", "[no-]video"; the name of a positional argument
    std::string value;    // "DIR", or empty
};
[[nodiscard]] option_names names_of(const CLI::Option& option);

// In the order of their declaration.
[[nodiscard]] std::vector<CLI::App*> commands_of(CLI::App& app);

// Says in help, and where another value is given, what there is to choose from.
void one_of(CLI::Option& option, const std::vector<std::string>& choices);

// An option that is `on` or `off`.
CLI::Option* add_switch(CLI::App& app, const std::string& name, bool& on, const std::string& what);

}  // namespace faceflow::cli
