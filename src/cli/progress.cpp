// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"
#include "cli/output.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace faceflow::internal::cli {
namespace {

std::string time_of(double seconds) {
    const long s = std::lround(seconds);
    return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                     : fmt::format("{}:{:02}", s / 60, s % 60);
}

std::size_t columns_of_terminal() {
    winsize w{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

}  // namespace

progress_line::progress_line(bool quiet) : shown_(!quiet && isatty(STDERR_FILENO) == 1) {}

progress_line::~progress_line() {
    if (shown_) to_stderr("\r\033[K");
}

void progress_line::show(const run_progress& p) {
    if (!shown_) return;
    const double fps = p.seconds > 0 ? static_cast<double>(p.frames) / p.seconds : 0;
    std::string tail = fmt::format(" {:.0f} fps, {} face{}", fps, p.faces, p.faces == 1 ? "" : "s");
    std::string head = fmt::format("{} frames", p.frames);
    if (p.expected && *p.expected > 0) {
        const double done = std::min(1.0, static_cast<double>(p.frames) / static_cast<double>(*p.expected));
        head = fmt::format("{:3.0f}% {}/{} frames", 100 * done, p.frames, *p.expected);
        if (fps > 0)
            tail += fmt::format(", {} left",
                                time_of(static_cast<double>(*p.expected - std::min(*p.expected, p.frames)) / fps));
        const std::size_t text = head.size() + tail.size() + 4;
        const std::size_t columns = columns_of_terminal();
        const std::size_t width = std::min<std::size_t>(30, columns > text ? columns - text : 0);
        const auto full = static_cast<std::size_t>(done * static_cast<double>(width));
        if (width > 4) head = fmt::format("[{}{}] {}", std::string(full, '='), std::string(width - full, ' '), head);
    } else {
        head += fmt::format(" in {}", time_of(p.seconds));
    }
    to_stderr("\r\033[K{},{}", head, tail);
    std::fflush(stderr);
}

void progress_line::note(const std::string& text) const {
    to_stderr("{}faceflow: {}\n", shown_ ? "\r\033[K" : "", text);
}

}  // namespace faceflow::internal::cli
