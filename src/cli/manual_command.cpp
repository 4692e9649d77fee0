// Shell completions and the manual page, written from the commands' own declarations so that they are never stale.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/commands.hpp"
#include "faceflow/faceflow.hpp"

namespace faceflow::cli {
namespace {

std::vector<CLI::App*> commands_of(CLI::App& app) {
    return app.get_subcommands([](CLI::App*) { return true; });
}

std::vector<std::string> flags_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const auto* o : app.get_options()) {
        for (const auto& n : o->get_lnames()) {
            if (!n.starts_with("no-")) names.push_back("--" + n);
        }
    }
    return names;
}

std::vector<std::string> words_of(CLI::App& app) {
    auto words = flags_of(app);
    for (const auto* sub : commands_of(app))
        words.push_back(sub->get_name());
    return words;
}

void print_bash(CLI::App& app) {
    fmt::print(
        "# bash completion for faceflow; source it, or put it into /usr/share/bash-completion/completions/faceflow\n"
        "_faceflow() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} words\n    case ${{COMP_WORDS[1]}} in\n");
    for (auto* sub : commands_of(app))
        fmt::print("        {}) words=\"{}\" ;;\n", sub->get_name(), fmt::join(words_of(*sub), " "));
    fmt::print(
        "        *) words=\"{}\" ;;\n    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}}\n"
        "complete -o default -F _faceflow faceflow\n",
        fmt::join(words_of(app), " "));
}

std::string zsh_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\'') {
            out += "'\\''";
            continue;
        }
        if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

void print_zsh(CLI::App& app) {
    fmt::print("#compdef faceflow\n_faceflow() {{\n    local -a commands\n    commands=(\n");
    for (const auto* sub : commands_of(app))
        fmt::print("        '{}:{}'\n", sub->get_name(), zsh_escaped(sub->get_description()));
    fmt::print(
        "    )\n    if (( CURRENT == 2 )); then _describe command commands; return; fi\n    case $words[2] in\n");
    for (auto* sub : commands_of(app)) {
        fmt::print("        {})\n            _arguments", sub->get_name());
        for (const auto* o : sub->get_options()) {
            for (const auto& n : o->get_lnames()) {
                if (n.starts_with("no-")) continue;
                fmt::print(" \\\n                '--{}[{}]{}'", n, zsh_escaped(o->get_description()),
                           o->get_items_expected_max() > 0 ? fmt::format(":{}:_files", zsh_escaped(n)) : "");
            }
        }
        fmt::print(" \\\n                '*:file:_files' ;;\n");
    }
    fmt::print("    esac\n}}\n_faceflow \"$@\"\n");
}

std::string roff_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '-') out += '\\';
        out += c;
    }
    return out;
}

void print_options(const CLI::App& app) {
    for (const auto* o : app.get_options()) {
        if (o->get_lnames().empty() && o->get_positional()) {
            fmt::print(".TP\n.I {}\n{}\n", roff_escaped(o->get_name(true)), roff_escaped(o->get_description()));
            continue;
        }
        std::string names;
        for (const auto& n : o->get_snames())
            names += fmt::format("\\fB\\-{}\\fR, ", n);
        const auto& lnames = o->get_lnames();
        const bool negatable =
            std::any_of(lnames.begin(), lnames.end(), [](const auto& n) { return n.starts_with("no-"); });
        for (const auto& n : lnames) {
            if (n.starts_with("no-")) continue;
            names += fmt::format("\\fB\\-\\-{}{}\\fR", negatable ? "[no\\-]" : "", roff_escaped(n));
        }
        const std::string value =
            o->get_items_expected_max() > 0 ? " \\fI" + roff_escaped(o->get_type_name()) + "\\fR" : "";
        const std::string usual =
            o->get_default_str().empty() ? "" : " (default: " + roff_escaped(o->get_default_str()) + ")";
        fmt::print(".TP\n{}{}\n{}{}\n", names, value, roff_escaped(o->get_description()), usual);
    }
}

void print_manual(CLI::App& app) {
    fmt::print(".TH FACEFLOW 1 \"\" \"faceflow {}\" \"User Commands\"\n.SH NAME\nfaceflow \\- {}\n.SH SYNOPSIS\n",
               version(), roff_escaped(app.get_description()));
    for (const auto* sub : commands_of(app))
        fmt::print(".B faceflow {}\n[\\fIOPTION\\fR]...\n.br\n", sub->get_name());
    fmt::print(".SH COMMANDS\n");
    for (auto* sub : commands_of(app)) {
        fmt::print(".SS {}\n{}\n", sub->get_name(), roff_escaped(sub->get_description()));
        print_options(*sub);
        for (const auto* nested : commands_of(*sub)) {
            fmt::print(".TP\n.B {}\n{}\n", nested->get_name(), roff_escaped(nested->get_description()));
        }
    }
    fmt::print(
        ".SH EXIT STATUS\n"
        ".TP\n.B 0\nDone.\n.TP\n.B 1\nFailed for another reason than those below.\n"
        ".TP\n.B 2\nAn option, a configuration key or a command that makes no sense.\n"
        ".TP\n.B 3\nAn input that is not there, or that nothing could be read from.\n"
        ".TP\n.B 4\nA file could not be written.\n.TP\n.B 130\nInterrupted; what was found until then is in the "
        "files.\n"
        ".SH ENVIRONMENT\n.TP\n.B FACEFLOW_MODELS\nA folder to look for models in.\n"
        ".SH FILES\nWhat a run writes is described in output.md of the documentation.\n");
}

}  // namespace

declared add_completion(CLI::App& app) {
    auto shell = std::make_shared<std::string>();
    auto* completion = app.add_subcommand("completion", "print a completion script for bash or zsh");
    completion->add_option("SHELL", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
    return {completion, [shell, &app] {
                *shell == "bash" ? print_bash(app) : print_zsh(app);
                return exit_done;
            }};
}

declared add_manual(CLI::App& app) {
    auto* manual = app.add_subcommand("manual", "print the manual page, as for man(1)");
    return {manual, [&app] {
                print_manual(app);
                return exit_done;
            }};
}

}  // namespace faceflow::cli
