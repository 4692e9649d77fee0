// SPDX-License-Identifier: Apache-2.0
#include "cli/help.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "core/nearest.hpp"

namespace faceflow::internal::cli {
namespace {

constexpr std::size_t text_column = 32;
constexpr const char* ungrouped = "Options";

// The width of the terminal, if help is printed to one.
std::size_t columns() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 100;
    return std::clamp<std::size_t>(size.ws_col, 60, 100);
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
    std::string out;
    std::size_t used = 0;
    for (const std::string& word : CLI::detail::split(text, ' ')) {
        if (used > 0 && used + 1 + word.size() > width - indent) {
            out += "\n" + std::string(indent, ' ');
            used = 0;
        }
        if (used > 0) {
            out += ' ';
            ++used;
        }
        out += word;
        used += word.size();
    }
    return out + "\n";
}

std::string entry(const std::string& left, const std::string& text) {
    std::string out = "  " + left;
    if (out.size() + 2 > text_column) {
        out += "\n" + std::string(text_column, ' ');
    } else {
        out.resize(text_column, ' ');
    }
    return out + wrapped(text, text_column, columns());
}

bool takes_many(const CLI::Option& o) {
    return o.get_expected_max() >= CLI::detail::expected_max_vector_size;
}

std::string entry_of(const CLI::Option& o) {
    const auto names = names_of(o);
    std::string left;
    if (o.get_positional()) {
        left = names.longer + (takes_many(o) ? "..." : "");
    } else {
        left = names.shorter.empty() ? "    " : fmt::format("-{}, ", names.shorter);
        left += "--" + names.longer + (names.value.empty() ? "" : " " + names.value);
    }
    const std::string usual = o.get_default_str();
    return entry(left, o.get_description() + (usual.empty() ? "" : fmt::format(" (default: {})", usual)));
}

class help_format : public CLI::Formatter {
public:
    std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
        std::string out = fmt::format("{}\n{}", wrapped(app->get_description(), 0, columns()),
                                      fmt::format("Usage: {} {}\n", full_name(*app), arguments_of(*app)));
        out += group("Arguments", app->get_options([](const CLI::Option* o) { return o->get_positional(); }));
        const auto commands = app->get_subcommands([](const CLI::App*) { return true; });
        if (!commands.empty()) {
            out += "\nCommands:\n";
            for (const auto* c : commands)
                out += entry(c->get_name(), c->get_description());
        }
        auto groups = app->get_groups();
        // Options common to all commands come last.
        std::stable_partition(groups.begin(), groups.end(), [](const std::string& g) { return g != ungrouped; });
        for (const auto& g : groups) {
            out += group(
                g, app->get_options([&](const CLI::Option* o) { return o->get_group() == g && o->nonpositional(); }));
        }
        return out + (app->get_footer().empty() ? "" : "\n" + app->get_footer());
    }

private:
    static std::string group(const std::string& title, const std::vector<const CLI::Option*>& options) {
        if (options.empty()) return {};
        std::string out = fmt::format("\n{}:\n", title);
        for (const auto* o : options)
            out += entry_of(*o);
        return out;
    }
};

}  // namespace

void use_help_format(CLI::App& app) {
    app.formatter(std::make_shared<help_format>());
}

void give_examples(CLI::App& app, std::initializer_list<example> examples) {
    std::string text = "Examples:\n";
    for (const auto& e : examples)
        text += fmt::format("  {}:\n    {}\n", e.what, e.line);
    app.footer(text);
}

std::string full_name(const CLI::App& app) {
    return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

std::string arguments_of(const CLI::App& app) {
    std::string out = "[OPTIONS]";
    for (const auto* o : app.get_options([](const CLI::Option* p) { return p->get_positional(); })) {
        const std::string name = names_of(*o).longer + (takes_many(*o) ? "..." : "");
        out += o->get_required() ? " " + name : " [" + name + "]";
    }
    if (!app.get_subcommands([](const CLI::App*) { return true; }).empty()) out += " COMMAND";
    return out;
}

option_names names_of(const CLI::Option& option) {
    option_names names;
    if (option.get_positional()) {
        names.longer = option.get_name(true);
        return names;
    }
    if (!option.get_snames().empty()) names.shorter = option.get_snames().front();
    bool negatable = false;
    for (const auto& n : option.get_lnames()) {
        if (n.starts_with("no-")) {
            negatable = true;
        } else {
            names.longer = n;
        }
    }
    if (negatable) names.longer = "[no-]" + names.longer;
    if (option.get_items_expected_max() > 0) names.value = option.get_type_name();
    return names;
}

std::vector<CLI::App*> commands_of(CLI::App& app) {
    return app.get_subcommands([](CLI::App*) { return true; });
}

void one_of(CLI::Option& option, const std::vector<std::string>& choices) {
    option.type_name(fmt::format("{}", fmt::join(choices, "|")));
    option.check(CLI::Validator(
        [choices](const std::string& given) {
            if (std::find(choices.begin(), choices.end(), given) != choices.end()) return std::string();
            const auto near = nearest(given, choices);
            return fmt::format("'{}' is not one of {}{}", given, fmt::join(choices, ", "),
                               near.empty() ? "" : fmt::format("; did you mean {}?", near));
        },
        ""));
}

CLI::Option* add_switch(CLI::App& app, const std::string& name, bool& on, const std::string& what) {
    auto* option = app.add_option_function<std::string>(
        name, [&on](const std::string& given) { on = given == "on"; }, what);
    one_of(*option, {"on", "off"});
    return option->default_str(on ? "on" : "off");
}

}  // namespace faceflow::internal::cli
