// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/config.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "core/nearest.hpp"
#include "faceflow/faceflow.hpp"
#include "flow/option_table.hpp"

namespace faceflow::internal::cli {
namespace {

std::vector<std::string> long_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const auto* o : app.get_options()) {
        for (const auto& n : o->get_lnames())
            names.push_back(n);
    }
    return names;
}

// Arguments after `--` are operands, whatever they begin with. CLI11 would assign them to the program instead of to a
// command whose required arguments are complete; so they pass through it with a mark, which also keeps it from
// interpreting their first letter.
constexpr char operand_mark = '\x01';

void mark_operands(std::vector<std::string>& args) {
    const auto dashes = std::find(args.begin(), args.end(), "--");
    if (dashes == args.end()) return;
    for (auto operand = args.erase(dashes); operand != args.end(); ++operand)
        operand->insert(operand->begin(), operand_mark);
}

std::string without_mark(std::string argument) {
    if (argument.starts_with(operand_mark)) argument.erase(argument.begin());
    return argument;
}

void unmark_operands(CLI::App& app) {
    for (auto* o : app.get_options()) {
        if (o->get_positional()) o->transform(without_mark, "");
    }
    for (auto* nested : app.get_subcommands([](CLI::App*) { return true; }))
        unmark_operands(*nested);
}

int unknown(const std::string& what, const CLI::App& app) {
    std::vector<std::string> candidates;
    const bool option = what.starts_with("-");
    if (option) {
        for (const auto& n : long_names(app))
            candidates.push_back("--" + n);
    } else {
        for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
            candidates.push_back(sub->get_name());
    }
    const std::string bare = what.substr(0, what.find('='));
    const auto near = nearest(bare, candidates);
    return report({errc::invalid_argument,
                   fmt::format("unknown {} '{}'{}; see {} --help", option ? "option" : "command", bare,
                               near.empty() ? "" : fmt::format("; did you mean {}?", near), full_name(app))});
}

int unexpected(const std::string& what, const CLI::App& app) {
    if (!what.starts_with(operand_mark)) return unknown(what, app);
    return report({errc::invalid_argument,
                   fmt::format("'{}' is an unexpected argument; see {} --help", without_mark(what), full_name(app))});
}

// The configuration key for what this argument sets.
std::string key_of(const std::string& argument) {
    const std::string name = argument.starts_with("--") ? argument.substr(2, argument.find('=') - 2) : "";
    return name.starts_with("no-") ? name.substr(3) : name;
}

// The command's keys that are tuning options.
std::vector<std::string> tuning_keys(std::vector<std::string> keys) {
    std::erase_if(keys, [](const std::string& key) {
        const auto all = flow::all_options();
        return std::none_of(all.begin(), all.end(), [&](const flow::option_facts& o) {
            return o.group == flow::option_group::tuning && o.flag == key;
        });
    });
    return keys;
}

// Adds the settings of a --config file that the user's own arguments do not set, and records their origin.
result<void> expand_config(std::vector<std::string>& args, const CLI::App& app, given& options) {
    std::string path;
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (args[i] == "--config" && i + 1 < args.size()) path = args[i + 1];
        if (args[i].starts_with("--config=")) path = args[i].substr(9);
    }
    if (path.empty()) return {};
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf()))
        return fail(errc::not_found, fmt::format("cannot read the configuration {}", path));
    const auto commands =
        app.get_subcommands([&](const CLI::App* sub) { return !args.empty() && sub->get_name() == args.front(); });
    if (commands.empty()) return {};
    const auto* command = commands.front();
    auto keys = long_names(*command);
    std::erase_if(keys, [](const std::string& k) { return k == "help" || k == "config" || k.starts_with("no-"); });
    auto from_file = config_arguments(std::move(text).str(), keys, tuning_keys(keys));
    if (!from_file) return fail(from_file.error().code, fmt::format("{}: {}", path, from_file.error().message));
    options.file = path;
    std::vector<std::string> kept;
    for (auto& argument : *from_file) {
        const auto same = [key = key_of(argument)](const std::string& own) { return key_of(own) == key; };
        if (std::any_of(args.begin(), args.end(), same)) continue;
        options.keys.push_back(key_of(argument));
        kept.push_back(std::move(argument));
    }
    args.insert(args.begin() + 1, kept.begin(), kept.end());
    return {};
}

// The innermost parsed command, which may be a subcommand.
const CLI::App& innermost(const CLI::App& app) {
    const auto parsed = app.get_subcommands();
    return parsed.empty() ? app : innermost(*parsed.front());
}

int main(int argc, char** argv) {
    CLI::App app("finds and follows every face in live or recorded video", "faceflow");
    app.set_help_flag("-h,--help", "print this help");
    app.set_version_flag("--version", "faceflow " + version(), "print the version");
    app.require_subcommand(0, 1);
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.allow_extras();
    use_help_format(app);

    std::vector<declared> commands;
    for (const auto add : {add_run, add_recover, add_compare, add_plan,
#ifdef FACEFLOW_SERVE
                           add_serve, add_top,
#endif
                           add_share, add_attach, add_doctor, add_models, add_completion, add_manual})
        commands.push_back(add(app));
    give_examples(
        app, {{"Annotate a video and write its faces, both to results/", "faceflow run interview.mp4 --out results"},
              {"What this machine has, and what is missing", "faceflow doctor"},
              {"How frames move, in each of the flows", "faceflow compare clip.mp4 --device emulated"},
              {"The help of one command", "faceflow run --help"},
              {"The whole manual", "faceflow manual | man -l -"}});
    unmark_operands(app);
    for (const auto& c : commands) {
        c.app->allow_extras();
        for (auto* o : c.app->get_options()) {
            if (!o->get_positional() && !o->get_lnames().empty() && o->get_items_expected_max() == 1) {
                o->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
            }
        }
    }

    std::vector<std::string> args(argv + 1, argv + argc);
    mark_operands(args);
    given options;
    if (auto r = expand_config(args, app, options); !r) return report(r.error());
    std::reverse(args.begin(), args.end());  // CLI11 expects reverse order
    try {
        app.parse(args);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
        return report(options.in_its_words(e));
    }
    for (const auto& c : commands) {
        if (!c.app->parsed()) continue;
        if (const auto extra = c.app->remaining(true); !extra.empty())
            return unexpected(extra.front(), innermost(*c.app));
        options.command = &innermost(*c.app);
        return c.run(options);
    }
    if (const auto extra = app.remaining(); !extra.empty()) return unexpected(extra.front(), app);
    to_stdout("{}", app.help());
    return exit_usage;
}

}  // namespace
}  // namespace faceflow::internal::cli

int main(int argc, char** argv) {
    faceflow::internal::cli::reserve_standard_streams();
    int code = 0;
    try {
        code = faceflow::internal::cli::main(argc, argv);
    } catch (const std::exception& e) {
        code = faceflow::internal::cli::report({faceflow::errc::internal, e.what()});
    }
    const bool failed_before = std::ferror(stdout) != 0;
    if (std::fflush(stdout) == 0 && !failed_before) return code;
    // A reader that closed the pipe, such as head, has all it wanted: no error.
    const int reason = errno;
    if (failed_before || reason != EPIPE)
        faceflow::internal::cli::to_stderr("faceflow: standard output could not be written{}{}\n",
                                           failed_before ? "" : ": ", failed_before ? "" : std::strerror(reason));
    return code == faceflow::internal::cli::exit_done ? faceflow::internal::cli::exit_output : code;
}
