#include "ipc/child_process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

namespace faceflow::ipc {
namespace {

using clock = std::chrono::steady_clock;
constexpr int first_number = 3, last_number = 63;

tl::unexpected<error> not_started(const std::filesystem::path& executable, int reason) {
    return fail(reason == ENOENT ? errc::not_found : errc::io,
                fmt::format("cannot start '{}': {}", executable.string(), std::strerror(reason)));
}

// What posix_spawn is to do between the fork and the new program.
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
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    // By way of numbers that no target has: one descriptor's target may be another one's number.
    int pass(std::span<const inherited_fd> inherited) {
        std::array<bool, last_number + 1> used{};
        for (const inherited_fd& i : inherited) {
            unique_fd out_of_the_way(::fcntl(i.descriptor, F_DUPFD_CLOEXEC, last_number + 1));
            if (!out_of_the_way) return errno;
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
    const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
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
        case 'R': return process_activity::state::running;
        case 'T':
        case 't': return process_activity::state::stopped;
        case 'Z':
        case 'X':
        case 'x': return process_activity::state::gone;
        default: return process_activity::state::sleeping;
    }
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
    if (auto fits = check(inherited); !fits) return tl::unexpected(std::move(fits.error()));
    spawn_plan plan;
    plan.default_signals();
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
    // Nobody has reaped it, so the number is still its own.
    unique_fd handle(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));
    if (!handle) {
        const int reason = errno;
        ::kill(id, SIGKILL);
        ::waitpid(id, nullptr, 0);
        return not_started(executable, reason);
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
            // A process that ignores SIGCHLD has its children reaped by the kernel.
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

process_activity child_process::activity() const {
    if (ended_ || !handle_) return {};
    std::ifstream file(fmt::format("/proc/{}/stat", id_));
    // Read in one go, which sets a flag where iterators would throw: the process may end between the opening and the reading,
    // and who else reaps it (this process may ignore SIGCHLD) takes the file's content away.
    std::string text(1024, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    // The program's name stands in brackets and may hold any byte.
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos) return {};
    std::istringstream fields(text.substr(name_end + 1));
    char letter = 'X';
    fields >> letter;
    std::string skipped;
    for (int field = 4; field < 14; ++field)
        fields >> skipped;
    std::uint64_t user = 0, system = 0;
    fields >> user >> system;
    const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return {state_of(letter), std::chrono::milliseconds((user + system) * 1000 / per_second)};
}

result<void> die_with_parent(int expected_parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return fail(errc::io, fmt::format("cannot tie this process to its owner: {}", std::strerror(errno)));
    // It may have gone before the tie.
    if (::getppid() != expected_parent)
        return fail(errc::interrupted,
                    fmt::format("the process that started this one ({}) has ended", expected_parent));
    return {};
}

}  // namespace faceflow::ipc
