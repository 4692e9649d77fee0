// SPDX-License-Identifier: Apache-2.0
// Options for reading inputs.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "cli/commands.hpp"
#include "core/option_error.hpp"
#include "core/try.hpp"

namespace faceflow::internal::cli {

namespace {

constexpr double longest_search = 1e9;  // seconds; some thirty years

result<std::chrono::milliseconds> parse_reconnect(const std::string& text) {
    if (text == "forever") return media::forever;
    double seconds = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, seconds);
    if (parsed.ec != std::errc{} || parsed.ptr != end || !(seconds >= 0) || seconds > longest_search) {
        return fail_option("reconnect", fmt::format("must be a number of seconds or `forever`, not '{}'", text));
    }
    return std::chrono::milliseconds(std::llround(seconds * 1000));
}

}  // namespace

result<void> input_options::resolve(media::source_options& into) const {
    FACEFLOW_ASSIGN(into.reconnect_for, parse_reconnect(reconnect));
    into.live = live;
    if (rotate % 90 != 0 || rotate < 0 || rotate > 270)
        return fail_option("rotate", fmt::format("must be 0, 90, 180 or 270, not {}", rotate));
    into.turn = {static_cast<rotation>(rotate / 90), flip};
    return {};
}

void add_input_options(CLI::App& app, input_options& into) {
    app.add_option("--reconnect", into.reconnect,
                   "how long to try to reconnect a lost camera or stream; 0: it ends when it is lost")
        ->type_name("SECONDS|forever")
        ->capture_default_str()
        ->group(inputs_group);
    app.add_option("--rotate", into.rotate,
                   "rotate the input by 90, 180 or 270 degrees clockwise, after the rotation that it states itself")
        ->type_name("DEGREES")
        ->capture_default_str()
        ->group(inputs_group);
    app.add_flag("--flip,!--no-flip", into.flip, "then mirror the picture left to right, for mirrored images")
        ->default_str("off")
        ->group(inputs_group);
    app.add_flag("--live,!--no-live", into.live,
                 "treat streams as live that do not say so themselves, such as cameras over plain HTTP")
        ->default_str("off")
        ->group(inputs_group);
}

}  // namespace faceflow::internal::cli
