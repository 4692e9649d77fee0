// SPDX-License-Identifier: Apache-2.0
// One function per command: it declares the command's options and returns what runs it after parsing.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "media/source.hpp"

namespace faceflow::internal::cli {

// Exit codes, as documented in the manual.
enum exit_code : int {
    exit_done = 0,
    exit_failed = 1,
    exit_usage = 2,   // an invalid option, configuration key or command
    exit_input = 3,   // an input that does not exist or cannot be read
    exit_output = 4,  // a file that could not be written
    exit_interrupted = 130,
};

[[nodiscard]] int exit_code_of(const error& e);

// Prints `faceflow: message` to standard error and returns the exit code for it.
int report(const error& e);

// Where a command's options were given, so that errors name them the way the user wrote them.
struct given {
    const CLI::App* command = nullptr;
    std::string file;               // of --config; empty: none
    std::vector<std::string> keys;  // set only in the file; without dashes
    // Rewrites a library error such as `batch_deadline_ms must be ...` for the user's spelling: --batch-deadline-ms on
    // the command line, or a key of the file. error::option names the option.
    [[nodiscard]] error in_its_words(error e) const;
    // The same for an error of the command line parser.
    [[nodiscard]] error in_its_words(const CLI::ParseError& e) const;
};
int report(const error& e, const given& options);

using command = std::function<int(const given&)>;

struct declared {
    CLI::App* app;
    command run;
};

declared add_run(CLI::App& app);
declared add_recover(CLI::App& app);
declared add_compare(CLI::App& app);
declared add_plan(CLI::App& app);
declared add_serve(CLI::App& app);
declared add_top(CLI::App& app);
declared add_share(CLI::App& app);
declared add_attach(CLI::App& app);
declared add_doctor(CLI::App& app);
declared add_models(CLI::App& app);
declared add_completion(CLI::App& app);
declared add_manual(CLI::App& app);

// The options of an engine, shared by every command that makes one. The struct must outlive the parsing.
struct engine_options {
    options chosen;
    // The chosen options, after parsing; also installs what they need.
    [[nodiscard]] options resolve() const;
};
void add_engine_options(CLI::App& app, engine_options& into);

// How to read inputs; shared by all commands that read any.
struct input_options {
    std::string reconnect = "forever";
    bool live = false;
    int rotate = 0;  // degrees clockwise
    bool flip = false;
    [[nodiscard]] result<void> resolve(media::source_options& into) const;
};
inline constexpr const char* inputs_group = "Inputs";
void add_input_options(CLI::App& app, input_options& into);

// Parse "640x384" ("auto": 0x0) and "2G", "512M", "1048576".
[[nodiscard]] result<std::pair<int, int>> parse_size(std::string_view text);
[[nodiscard]] result<void> parse_detect_size(std::string_view text, options& into);
[[nodiscard]] result<std::size_t> parse_bytes(std::string_view text);
// Formats bytes like "2G", as parse_bytes reads them.
[[nodiscard]] std::string bytes_text(std::size_t bytes);

// Occupies closed standard streams with descriptors that refuse their use, so that no file opened later gets a stream's
// number and nothing printed ends up in a file. Call it first in a program.
void reserve_standard_streams();

// The stop flag. The first Ctrl-C (or SIGTERM, SIGXCPU, or SIGHUP unless ignored, as under nohup) sets it; a second
// Ctrl-C or SIGTERM half a second later or more ends the program at once. A pipe without a reader, or a file at its
// size limit, is an error of the write; their signals stop the run only when sent from outside.
const std::atomic<bool>& stop_on_signals();

}  // namespace faceflow::internal::cli
