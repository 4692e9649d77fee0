// SPDX-License-Identifier: Apache-2.0
// Shell completions and the manual page, generated from the commands' declarations so that they are never stale.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "faceflow/faceflow.hpp"
#include "media/field_tables.hpp"

namespace faceflow::internal::cli {
namespace {

// Includes the options of subcommands: the subcommand may not be typed yet.
std::vector<const CLI::Option*> options_of(CLI::App& app) {
    const auto optional = [](const CLI::Option* o) { return o->nonpositional(); };
    std::vector<const CLI::Option*> all;
    const auto add = [&](const CLI::App& from) {
        for (const auto* o : from.get_options(optional)) {
            const auto same = [&](const CLI::Option* known) { return known->get_lnames() == o->get_lnames(); };
            if (std::none_of(all.begin(), all.end(), same)) all.push_back(o);
        }
    };
    add(std::as_const(app));
    if (app.get_parent() == nullptr) return all;
    for (const auto* sub : commands_of(app))
        add(*sub);
    return all;
}

std::vector<std::string> words_of(CLI::App& app) {
    std::vector<std::string> words;
    for (const auto* o : options_of(app)) {
        for (const auto& n : o->get_lnames())
            words.push_back("--" + n);
    }
    for (const auto* sub : commands_of(app))
        words.push_back(sub->get_name());
    return words;
}

void print_bash(CLI::App& app) {
    to_stdout(
        "# bash completion for faceflow; source it, or put it into /usr/share/bash-completion/completions/faceflow\n"
        "_faceflow() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} words\n    case ${{COMP_WORDS[1]}} in\n");
    for (auto* sub : commands_of(app))
        to_stdout("        {}) words=\"{}\" ;;\n", sub->get_name(), fmt::join(words_of(*sub), " "));
    to_stdout(
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

// The values of an option: its choices, or a file.
std::string zsh_values(const CLI::Option& o, const std::string& name) {
    if (o.get_items_expected_max() == 0) return {};
    std::string choices = o.get_type_name();
    if (choices.find('|') == std::string::npos) return fmt::format(":{}:_files", zsh_escaped(name));
    std::replace(choices.begin(), choices.end(), '|', ' ');
    return fmt::format(":{}:({})", zsh_escaped(name), zsh_escaped(choices));
}

void print_zsh(CLI::App& app) {
    to_stdout("#compdef faceflow\n_faceflow() {{\n    local -a commands\n    commands=(\n");
    for (const auto* sub : commands_of(app))
        to_stdout("        '{}:{}'\n", sub->get_name(), zsh_escaped(sub->get_description()));
    to_stdout("    )\n    if (( CURRENT == 2 )); then _describe command commands; return; fi\n    case $words[2] in\n");
    for (auto* sub : commands_of(app)) {
        to_stdout("        {})\n            _arguments", sub->get_name());
        for (const auto* o : options_of(*sub)) {
            for (const auto& n : o->get_lnames())
                to_stdout(" \\\n                '--{}[{}]{}'", n, zsh_escaped(o->get_description()), zsh_values(*o, n));
        }
        to_stdout(" \\\n                '*:file:_files' ;;\n");
    }
    to_stdout("    esac\n}}\n_faceflow \"$@\"\n");
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
        const auto names = names_of(*o);
        const std::string text = roff_escaped(o->get_description());
        if (o->get_positional()) {
            to_stdout(".TP\n.I {}\n{}\n", roff_escaped(names.longer), text);
            continue;
        }
        const std::string usual = o->get_default_str();
        to_stdout(".TP\n{}\\fB\\-\\-{}\\fR{}\n{}{}\n",
                  names.shorter.empty() ? "" : fmt::format("\\fB\\-{}\\fR, ", names.shorter),
                  roff_escaped(names.longer),
                  names.value.empty() ? "" : fmt::format(" \\fI{}\\fR", roff_escaped(names.value)), text,
                  usual.empty() ? "" : fmt::format(" (default: {})", roff_escaped(usual)));
    }
}

void print_command(CLI::App& command) {
    to_stdout(".SS {}\n{}\n", full_name(command), roff_escaped(command.get_description()));
    print_options(command);
    to_stdout(".PP\n.nf\n{}.fi\n", roff_escaped(command.get_footer()));
    for (auto* nested : commands_of(command))
        print_command(*nested);
}

void print_manual(CLI::App& app) {
    to_stdout(".TH FACEFLOW 1 \"\" \"faceflow {}\" \"User Commands\"\n.SH NAME\nfaceflow \\- {}\n.SH SYNOPSIS\n",
              version(), roff_escaped(app.get_description()));
    for (const auto* sub : commands_of(app))
        to_stdout(".B faceflow {}\n{}\n.br\n", sub->get_name(), roff_escaped(arguments_of(*sub)));
    to_stdout(
        ".PP\nArguments after \\fB\\-\\-\\fR are not options, so names may begin with a dash: "
        "\\fBfaceflow run \\-\\- \\-odd.mp4\\fR.\n");
    to_stdout(".SH COMMANDS\n");
    for (auto* sub : commands_of(app))
        print_command(*sub);
    to_stdout(
        ".SH EXIT STATUS\n"
        ".TP\n.B 0\nDone.\n.TP\n.B 1\nFailed for a reason other than those below.\n"
        ".TP\n.B 2\nAn invalid option, configuration key or command.\n"
        ".TP\n.B 3\nAn input that does not exist, or from which nothing could be read.\n"
        ".TP\n.B 4\nA file could not be written.\n.TP\n.B 130\nInterrupted; what was found until then is in the "
        "files.\n"
        ".SH ENVIRONMENT\n.TP\n.B FACEFLOW_MODELS\nA folder to look for models in.\n"
        ".SH FILES\nWhat a run writes is described in output.md of the documentation.\n");
}

void print_fields() {
    to_stdout(
        "A line of faces.ndjson:\n\n{}\nEach of its faces:\n\n{}\nfaces.csv has {} columns:\n\n{}"
        "\nA record of events.csv:\n\n{}",
        media::table_of_frame_keys(), media::table_of_face_keys(), media::column_count(), media::table_of_columns(),
        media::table_of_event_columns());
}

}  // namespace

declared add_completion(CLI::App& app) {
    auto shell = std::make_shared<std::string>();
    auto* completion = app.add_subcommand("completion", "print a completion script for bash or zsh");
    completion->add_option("SHELL", *shell, "bash or zsh")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}).description(""));
    give_examples(*completion,
                  {{"In this shell, now", "source <(faceflow completion bash)"},
                   {"In every zsh, where fpath has ~/.zfunc", "faceflow completion zsh > ~/.zfunc/_faceflow"}});
    return {completion, [shell, &app](const given&) {
                *shell == "bash" ? print_bash(app) : print_zsh(app);
                return exit_done;
            }};
}

declared add_manual(CLI::App& app) {
    auto topic = std::make_shared<std::string>("page");
    auto* manual =
        app.add_subcommand("manual", "print the manual page for man(1), or the description of the rows of faces");
    manual
        ->add_option("TOPIC", *topic,
                     "page; fields: the keys and columns of faces.ndjson, faces.csv and events.csv, in Markdown; "
                     "schema: the JSON "
                     "Schema of a line of faces.ndjson")
        ->check(CLI::IsMember({"page", "fields", "schema"}).description(""))
        ->capture_default_str();
    give_examples(*manual, {{"To read it", "faceflow manual | man -l -"},
                            {"To keep it, if it was not installed", "faceflow manual > faceflow.1"},
                            {"For a program that validates its input", "faceflow manual schema > faces.schema.json"}});
    return {manual, [topic, &app](const given&) {
                if (*topic == "page") print_manual(app);
                if (*topic == "fields") print_fields();
                if (*topic == "schema") to_stdout("{}", media::faces_schema_text());
                return exit_done;
            }};
}

}  // namespace faceflow::internal::cli
