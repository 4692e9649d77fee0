// SPDX-License-Identifier: Apache-2.0
// A child process that inherits only the given descriptors, is monitored, and never outlives its owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::ipc {

// How a process ended.
struct process_exit {
    enum class way : std::uint8_t { status, signal, unknown };
    way how = way::unknown;
    int number = 0;  // of the exit status or the signal
    [[nodiscard]] bool clean() const noexcept { return how == way::status && number == 0; }
    // "exit status 3", "killed by signal 9 (SIGKILL)".
    [[nodiscard]] std::string in_words() const;
};

// The current activity of a process, for a watchdog.
struct process_activity {
    enum class state : std::uint8_t {
        running,   // at least one thread is on a processor, waiting for one, or waiting for a disk
        sleeping,  // all threads wait for something
        stopped,   // by a signal or a debugger
        gone,      // has ended
    };
    state now = state::gone;
    std::chrono::nanoseconds cpu_time{0};  // of all threads, since the start
};

// A descriptor of this process and its number in the child.
struct inherited_fd {
    int descriptor = -1;
    int number = -1;  // 3 to 63, without duplicates
};

// Owns one process; the destructor kills and reaps it, so it never becomes a zombie. Move-only; use it from one thread
// at a time.
class child_process {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // Starts `executable` (a path) with `arguments` after its name. It inherits this environment, the standard streams
    // and `inherited`, and nothing else: other descriptors are closed, signals have their defaults. It leads its own
    // process group, so that Ctrl-C and Ctrl-Z in a terminal reach only its owner. The program must call
    // die_with_parent first. errc::not_found if the file does not exist, errc::invalid_argument for numbers out of
    // range, errc::unavailable at a limit (the message says which), errc::unsupported where processes cannot be
    // monitored, errc::out_of_memory, otherwise errc::io.
    [[nodiscard]] static result<child_process> spawn(const std::filesystem::path& executable,
                                                     std::span<const std::string> arguments,
                                                     std::span<const inherited_fd> inherited);
    child_process(child_process&&) noexcept = default;
    child_process& operator=(child_process&& o) noexcept;
    ~child_process();

    [[nodiscard]] int id() const noexcept { return id_; }
    // A pidfd, which becomes readable when the process ends; for poll().
    [[nodiscard]] int descriptor() const noexcept { return handle_.get(); }

    // How the process ended; nullopt if it has not ended by `deadline`.
    [[nodiscard]] std::optional<process_exit> wait_for(time_point deadline);
    // Sends SIGKILL. No effect if the process has ended.
    void kill() noexcept;
    void send_signal(int number) noexcept;

    // Reads /proc: some ten microseconds per thread.
    [[nodiscard]] process_activity activity() const;
    // Only the processor time: one microsecond. 0 once the process has ended.
    [[nodiscard]] std::chrono::nanoseconds cpu_time() const;

private:
    child_process(int id, unique_fd handle) : id_(id), handle_(std::move(handle)) {}
    void end() noexcept;

    int id_ = -1;
    unique_fd handle_;
    std::optional<process_exit> ended_;
};

// For the child, which is started with these signals blocked: only its owner decides when it ends. Ignores the signals
// by which users and service managers stop programs (a service manager sends them to the whole service), and those that
// would stop a background process for writing to the terminal.
void leave_signals_to_parent() noexcept;

// For the child, as its first call: the kernel kills the child when the thread that spawned it ends (so spawn from a
// thread that outlives it). errc::interrupted when the owner has already ended: then exit.
[[nodiscard]] result<void> die_with_parent(int expected_parent);

}  // namespace faceflow::internal::ipc
