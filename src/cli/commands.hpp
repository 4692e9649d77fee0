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

namespace faceflow::cli {

// Exit codes, as documented in the manual.
enum exit_code : int {
    exit_done = 0,
    exit_failed = 1,
    exit_usage = 2,   // an option, a configuration key or a command that makes no sense
    exit_input = 3,   // an input that is not there, or that nothing could be read from
    exit_output = 4,  // a file that could not be written
    exit_interrupted = 130,
};

[[nodiscard]] int exit_code_of(const error& e);

// Prints `faceflow: message` to standard error and returns the exit code for it.
int report(const error& e);

// Where the options of a command were given, so that errors name them as they are written there.
struct given {
    const CLI::App* command = nullptr;
    std::string file;               // of --config; empty: none
    std::vector<std::string> keys;  // that stand in the file alone, without dashes
    // The library says `batch_deadline_ms must be ...`; the command line has --batch-deadline-ms, and a file a key.
    // error::option says of which option the error is.
    [[nodiscard]] error in_its_words(error e) const;
    // The same of what the command line's parser says.
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
declared add_share(CLI::App& app);
declared add_attach(CLI::App& app);
declared add_doctor(CLI::App& app);
declared add_models(CLI::App& app);
declared add_completion(CLI::App& app);
declared add_manual(CLI::App& app);

// The options of an engine, shared by every command that makes one. The struct must outlive the parsing.
struct engine_options {
    options chosen;
    // What was chosen, once the command line is parsed; makes ready for it.
    [[nodiscard]] result<options> resolve() const;
};
void add_engine_options(CLI::App& app, engine_options& into);

// How inputs are read, shared by the commands that read any.
struct input_options {
    std::string reconnect = "forever";
    bool live = false;
    int rotate = 0;  // degrees clockwise
    bool flip = false;
    [[nodiscard]] result<void> resolve(media::source_options& into) const;
};
inline constexpr const char* inputs_group = "Inputs";
void add_input_options(CLI::App& app, input_options& into);

// "640x384" (or "640x384+1600x1216", two looks; "auto": 0x0) and "2G", "512M", "1048576".
[[nodiscard]] result<std::pair<int, int>> parse_size(std::string_view text);
[[nodiscard]] result<void> parse_detect_size(std::string_view text, options& into);
[[nodiscard]] result<std::size_t> parse_bytes(std::string_view text);
// "2G", as parse_bytes reads it.
[[nodiscard]] std::string bytes_text(std::size_t bytes);

// What is opened later never gets the number of a standard stream, and what goes to one never into a file: those that are
// closed are given to a descriptor that refuses what they are used for. First of all in a program.
void reserve_standard_streams();

// The stop flag: the first Ctrl-C (SIGTERM, SIGXCPU, or SIGHUP where it is not ignored, as under nohup) sets it, a second Ctrl-C or
// SIGTERM half a second later or more ends the program at once. A pipe whose reader left and a file at the limit of its size are errors of the write; these signals stop the
// run only when they are sent to it.
const std::atomic<bool>& stop_on_signals();

}  // namespace faceflow::cli
