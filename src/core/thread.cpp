// SPDX-License-Identifier: Apache-2.0
#include "core/thread.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <new>
#include <system_error>

namespace faceflow::internal {
namespace {

template <class Thread, class Body>
result<Thread> start(std::string_view doing, Body body) {
    try {
        return Thread(std::move(body));
    } catch (const std::system_error& e) {
        return fail(
            errc::unavailable,
            fmt::format("cannot start a thread for {}: {}; raise the limit of processes (ulimit -u, or pids.max of "
                        "the container), or free memory",
                        doing, e.code().message()));
    } catch (...) {
        return tl::unexpected(thrown_while(fmt::format("starting a thread for {}", doing)));
    }
}

// noexcept: if reporting an exception throws, nothing is left to report that to.
void tell(const thread_failed& failed, std::string_view doing) noexcept {
    failed(thrown_while(doing));
}

}  // namespace

error thrown_while(std::string_view doing) {
    try {
        throw;
    } catch (const std::bad_alloc&) {
        return {errc::out_of_memory, fmt::format("out of memory while {}", doing)};
    } catch (const std::exception& e) {
        return {errc::internal, fmt::format("{} failed: {}", doing, e.what())};
    } catch (...) {
        return {errc::internal, fmt::format("{} failed with an exception of unknown kind", doing)};
    }
}

void call_giving_way(const std::function<void()>& work) {
    constexpr int nicer = 10;
    auto started = start<std::thread>("giving way", [&work] {
        // On Linux, niceness is a thread's and not the process's, and new threads inherit it.
        const auto self = static_cast<id_t>(::gettid());
        ::setpriority(PRIO_PROCESS, self, std::min(::getpriority(PRIO_PROCESS, self) + nicer, PRIO_MAX - 1));
        work();
    });
    if (!started) return work();
    started->join();
}

result<std::thread> start_thread(const std::string& doing, std::function<void()> work, thread_failed failed) {
    return start<std::thread>(doing, [doing, work = std::move(work), failed = std::move(failed)] {
        try {
            work();
        } catch (...) {
            tell(failed, doing);
        }
    });
}

result<std::jthread> start_jthread(const std::string& doing, std::function<void(const std::stop_token&)> work,
                                   thread_failed failed) {
    return start<std::jthread>(
        doing, [doing, work = std::move(work), failed = std::move(failed)](const std::stop_token& over) {
            try {
                work(over);
            } catch (...) {
                tell(failed, doing);
            }
        });
}

}  // namespace faceflow::internal
