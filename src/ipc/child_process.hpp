// SPDX-License-Identifier: Apache-2.0
// A process of ours: started with just the descriptors it is meant to have, watched, and never left behind.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::ipc {

// How a process ended.
struct process_exit {
    enum class way : std::uint8_t { status, signal, unknown };
    way how = way::unknown;
    int number = 0;  // of the exit status or the signal
    [[nodiscard]] bool clean() const noexcept { return how == way::status && number == 0; }
    // "exit status 3", "killed by signal 9 (SIGKILL)".
    [[nodiscard]] std::string in_words() const;
};

// What a process is doing now, for a watchdog.
struct process_activity {
    enum class state : std::uint8_t {
        running,   // one of its threads at least: on a processor, waiting for one, or for a disk
        sleeping,  // all of them wait for something
        stopped,   // by a signal or a debugger
        gone,      // has ended
    };
    state now = state::gone;
    std::chrono::nanoseconds cpu_time{0};  // of all its threads so far
};

// A descriptor of this process and the number under which the child finds it.
struct inherited_fd {
    int descriptor = -1;
    int number = -1;  // 3 to 63; each once
};

// Owner of one process, which it kills and reaps when it goes: never a zombie. Move-only; one thread at a time.
class child_process {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // Starts `executable` (a path) with `arguments` after its name, this environment, standard streams and `inherited`, nothing
    // else: other descriptors are closed, signals are at their defaults. It leads a process group of its own, so that a terminal's
    // Ctrl-C and Ctrl-Z are for its owner alone. The program calls die_with_parent first.
    // errc::not_found for a file that is not there, errc::invalid_argument for numbers out of range, errc::unavailable at a limit
    // (the message says which), errc::unsupported where no process can be watched, errc::out_of_memory, errc::io else.
    [[nodiscard]] static result<child_process> spawn(const std::filesystem::path& executable,
                                                     std::span<const std::string> arguments,
                                                     std::span<const inherited_fd> inherited);
    child_process(child_process&&) noexcept = default;
    child_process& operator=(child_process&& o) noexcept;
    ~child_process();

    [[nodiscard]] int id() const noexcept { return id_; }
    // Becomes readable when the process ends (a pidfd); for poll.
    [[nodiscard]] int descriptor() const noexcept { return handle_.get(); }

    // How it ended; nullopt when it has not by `deadline`.
    [[nodiscard]] std::optional<process_exit> wait_for(time_point deadline);
    // SIGKILL, which it cannot refuse. Nothing when it has ended.
    void kill() noexcept;
    void send_signal(int number) noexcept;

    // From /proc: some ten microseconds a thread.
    [[nodiscard]] process_activity activity() const;
    // The same time alone: one microsecond. 0 once it has ended.
    [[nodiscard]] std::chrono::nanoseconds cpu_time() const;

private:
    child_process(int id, unique_fd handle) : id_(id), handle_(std::move(handle)) {}
    void end() noexcept;

    int id_ = -1;
    unique_fd handle_;
    std::optional<process_exit> ended_;
};

// For the child, which is started with these signals blocked: its owner alone says when it ends. Signals that are for people to
// stop programs by (a terminal's, a service manager's to all of a service) are ignored; so is what would stop it for writing to the
// terminal from the background.
void leave_signals_to_parent() noexcept;

// For the child, first thing: the kernel kills it when the thread that spawned it ends (so spawn from one that stays).
// errc::interrupted when the owner is gone already: then exit.
[[nodiscard]] result<void> die_with_parent(int expected_parent);

}  // namespace faceflow::ipc
