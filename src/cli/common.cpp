// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace faceflow::internal::cli {

int exit_code_of(const error& e) {
    switch (e.code) {
        case errc::invalid_argument: return exit_usage;
        case errc::not_found:
        case errc::corrupt:
        case errc::unsupported: return exit_input;
        case errc::io: return exit_output;
        case errc::interrupted: return exit_interrupted;
        default: return exit_failed;
    }
}

int report(const error& e) {
    to_stderr("faceflow: {}\n", e.message);
    return exit_code_of(e);
}

int report(const error& e, const given& options) {
    return report(options.in_its_words(e));
}

void reserve_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0) continue;
        // open() returns the lowest free number, which is this stream's. Reading stdin, or writing the others, fails as
        // before.
        [[maybe_unused]] const int held = ::open(
            "/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // NOLINT: not close-on-exec, like all three
    }
}

namespace {
std::atomic<bool> stop_requested{false};

std::atomic<std::int64_t> first_stop_ms{0};

std::int64_t now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1'000'000;
}

// Shells, timeout and terminals may send the same signal twice within an instant: that is a single request.
void on_signal(int number) {
    constexpr std::int64_t same_wish_ms = 500;
    const std::int64_t now = now_ms();
    if (!stop_requested.exchange(true)) {
        first_stop_ms.store(now);
    } else if ((number == SIGINT || number == SIGTERM) && now - first_stop_ms.load() >= same_wish_ms) {
        _exit(exit_interrupted);
    }
}

// The kernel sends these two in this process's own name for a write that also returns an error.
void on_write_signal(int, siginfo_t* about, void*) {
    if (about->si_pid != getpid()) stop_requested.store(true);
}
}  // namespace

const std::atomic<bool>& stop_on_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    struct sigaction hangup {};
    sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
    sigaction(SIGXCPU, &action, nullptr);  // a processor time limit leaves some seconds to finish
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = on_write_signal;
    sigaction(SIGPIPE, &action, nullptr);
    sigaction(SIGXFSZ, &action, nullptr);
    return stop_requested;
}

}  // namespace faceflow::internal::cli
