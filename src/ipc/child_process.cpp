// SPDX-License-Identifier: Apache-2.0
#include "ipc/child_process.hpp"

#include "core/try.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

namespace faceflow::internal::ipc {
namespace {

using clock = std::chrono::steady_clock;
constexpr int first_number = 3, last_number = 63;

tl::unexpected<error> not_started(const std::filesystem::path& executable, int reason) {
    const errc code = reason == ENOENT                       ? errc::not_found
                      : reason == EAGAIN || reason == EMFILE ? errc::unavailable
                      : reason == ENOMEM                     ? errc::out_of_memory
                                                             : errc::io;
    const char* const advice = reason == EAGAIN
                                   ? "; raise the limit of processes (ulimit -u, or pids.max of the container)"
                               : reason == EMFILE || reason == ENFILE ? "; raise the limit of open files (ulimit -n)"
                                                                      : "";
    return fail(code, fmt::format("cannot start '{}': {}{}", executable.string(), std::strerror(reason), advice));
}

// The process was started but is killed again, because its end could not be detected.
tl::unexpected<error> not_watched(const std::filesystem::path& executable, int reason) {
    const bool full = reason == EMFILE || reason == ENFILE;
    return fail(full ? errc::unavailable : errc::unsupported,
                fmt::format("the process of '{}' cannot be watched (pidfd_open: {}): {}", executable.string(),
                            std::strerror(reason),
                            full ? "raise the limit of open files (ulimit -n)"
                                 : "it needs Linux 5.4 and a sandbox that allows the call; use --flow fused"));
}

// The signals by which users and service managers stop programs.
constexpr std::array owners_signal_numbers{SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGTTOU, SIGTTIN};

sigset_t owners_signals() noexcept {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : owners_signal_numbers)
        sigaddset(&set, number);
    return set;
}

// The actions of posix_spawn between the fork and the new program.
class spawn_plan {
public:
    spawn_plan() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    ~spawn_plan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }
    spawn_plan(const spawn_plan&) = delete;
    spawn_plan& operator=(const spawn_plan&) = delete;

    void default_signals() {
        // The owner's signals stay blocked until the child ignores them, so that none takes effect before.
        const sigset_t held = owners_signals();
        sigset_t all;
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &held);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        flags_ |= POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    }
    void own_group() {
        posix_spawnattr_setpgroup(&attributes_, 0);
        flags_ |= POSIX_SPAWN_SETPGROUP;
    }
    // Moves descriptors through numbers above all targets first: one descriptor's target may be another's number.
    int pass(std::span<const inherited_fd> inherited) {
        std::array<bool, last_number + 1> used{};
        for (const inherited_fd& i : inherited) {
            unique_fd out_of_the_way(::fcntl(i.descriptor, F_DUPFD_CLOEXEC, last_number + 1));
            // If the limit does not allow such a number, the error is EINVAL.
            if (!out_of_the_way) return errno == EINVAL ? EMFILE : errno;
            posix_spawn_file_actions_adddup2(&actions_, out_of_the_way.get(), i.number);
            used.at(static_cast<std::size_t>(i.number)) = true;
            moved_.push_back(std::move(out_of_the_way));
        }
        for (int n = first_number; n <= last_number; ++n) {
            if (!used.at(static_cast<std::size_t>(n))) posix_spawn_file_actions_addclose(&actions_, n);
        }
        return posix_spawn_file_actions_addclosefrom_np(&actions_, last_number + 1);
    }
    const posix_spawn_file_actions_t* actions() const { return &actions_; }
    const posix_spawnattr_t* attributes() {
        posix_spawnattr_setflags(&attributes_, flags_);
        return &attributes_;
    }

private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
    short flags_ = 0;
    std::vector<unique_fd> moved_;
};

result<void> check(std::span<const inherited_fd> inherited) {
    std::array<bool, last_number + 1> used{};
    for (const inherited_fd& i : inherited) {
        const bool in_range = i.number >= first_number && i.number <= last_number;
        if (!in_range || i.descriptor < 0 || std::exchange(used.at(static_cast<std::size_t>(i.number)), true)) {
            return fail(
                errc::invalid_argument,
                fmt::format("a child cannot have descriptor {} as its number {}: numbers are {} to {}, each once",
                            i.descriptor, i.number, first_number, last_number));
        }
    }
    return {};
}

process_exit exit_of(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {process_exit::way::status, info.si_status};
    return {process_exit::way::signal, info.si_status};
}

process_activity::state state_of(char letter) {
    switch (letter) {
        case 'R':
        case 'D': return process_activity::state::running;
        case 'T':
        case 't': return process_activity::state::stopped;
        case 'Z':
        case 'X':
        case 'x': return process_activity::state::gone;
        default: return process_activity::state::sleeping;
    }
}

// Reads in one call: the thread may end between open and read, which then returns nothing.
process_activity::state state_of_thread(const std::string& path) {
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 1024> bytes{};
    const ssize_t n = file ? ::read(file.get(), bytes.data(), bytes.size()) : -1;
    const std::string_view text(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    // The program's name is in parentheses and may contain any byte.
    const auto name_end = text.rfind(')');
    if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return process_activity::state::gone;
    return state_of(text[name_end + 2]);
}

}  // namespace

std::string process_exit::in_words() const {
    if (how == way::status) return fmt::format("exit status {}", number);
    if (how == way::unknown) return "ended, and how was not seen";
    const char* const known = ::sigabbrev_np(number);
    return fmt::format("killed by signal {}{}", number, known == nullptr ? "" : fmt::format(" (SIG{})", known));
}

result<child_process> child_process::spawn(const std::filesystem::path& executable,
                                           std::span<const std::string> arguments,
                                           std::span<const inherited_fd> inherited) {
    FACEFLOW_TRY(check(inherited));
    spawn_plan plan;
    plan.default_signals();
    plan.own_group();
    if (const int reason = plan.pass(inherited); reason != 0) return not_started(executable, reason);
    std::vector<std::string> words{executable.string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    std::transform(words.begin(), words.end(), std::back_inserter(pointers), [](std::string& w) { return w.data(); });
    pointers.push_back(nullptr);
    pid_t id = -1;
    if (const int reason =
            ::posix_spawn(&id, executable.c_str(), plan.actions(), plan.attributes(), pointers.data(), environ);
        reason != 0) {
        return not_started(executable, reason);
    }
    // The process has not been reaped, so the pid is still its own.
    unique_fd handle(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));
    if (!handle) {
        const int reason = errno;
        ::kill(id, SIGKILL);
        ::waitpid(id, nullptr, 0);
        return not_watched(executable, reason);
    }
    return child_process(id, std::move(handle));
}

child_process& child_process::operator=(child_process&& o) noexcept {
    if (this == &o) return *this;
    end();
    id_ = o.id_;
    handle_ = std::move(o.handle_);
    ended_ = o.ended_;
    return *this;
}

child_process::~child_process() {
    end();
}

void child_process::end() noexcept {
    if (!handle_ || ended_) return;
    kill();
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(handle_.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
}

std::optional<process_exit> child_process::wait_for(time_point deadline) {
    while (!ended_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            std::clamp<clock::duration>(deadline - clock::now(), clock::duration::zero(), std::chrono::hours(1)));
        pollfd waiting{handle_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(left.count())) > 0) {
            siginfo_t info{};
            const int reaped = ::waitid(P_PIDFD, static_cast<id_t>(handle_.get()), &info, WEXITED | WNOHANG);
            if (reaped == 0 && info.si_pid == 0) continue;
            // If this process ignores SIGCHLD, the kernel reaps its children.
            ended_ = reaped == 0 ? exit_of(info) : process_exit{};
        } else if (clock::now() >= deadline) {
            break;
        }
    }
    return ended_;
}

void child_process::send_signal(int number) noexcept {
    if (handle_ && !ended_) ::syscall(SYS_pidfd_send_signal, handle_.get(), number, nullptr, 0);
}

void child_process::kill() noexcept {
    send_signal(SIGKILL);
}

std::chrono::nanoseconds child_process::cpu_time() const {
    clockid_t clock_of_it{};
    timespec used{};
    if (ended_ || !handle_ || ::clock_getcpuclockid(id_, &clock_of_it) != 0 || ::clock_gettime(clock_of_it, &used) != 0)
        return {};
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// Looks at all threads: the main thread may sleep while another one works or waits for a processor.
process_activity child_process::activity() const {
    if (ended_ || !handle_) return {};
    process_activity all{process_activity::state::gone, cpu_time()};
    const auto rank = [](process_activity::state s) {
        switch (s) {
            case process_activity::state::running: return 3;
            case process_activity::state::sleeping: return 2;
            case process_activity::state::stopped: return 1;
            case process_activity::state::gone: break;
        }
        return 0;
    };
    const std::string threads = fmt::format("/proc/{}/task", id_);
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(threads.c_str()), ::closedir);
    if (!folder) return all;
    while (const dirent* thread = ::readdir(folder.get())) {
        if (thread->d_name[0] == '.') continue;
        const auto state = state_of_thread(fmt::format("{}/{}/stat", threads, thread->d_name));
        if (rank(state) > rank(all.now)) all.now = state;
        if (all.now == process_activity::state::running) break;
    }
    return all;
}

void leave_signals_to_parent() noexcept {
    for (const int number : owners_signal_numbers)
        ::signal(number, SIG_IGN);
    const sigset_t held = owners_signals();
    ::sigprocmask(SIG_UNBLOCK, &held, nullptr);
}

result<void> die_with_parent(int expected_parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return fail(errc::io, fmt::format("cannot tie this process to its owner: {}", std::strerror(errno)));
    // The parent may have ended before the prctl.
    if (::getppid() != expected_parent)
        return fail(errc::interrupted,
                    fmt::format("the process that started this one ({}) has ended", expected_parent));
    return {};
}

}  // namespace faceflow::internal::ipc
