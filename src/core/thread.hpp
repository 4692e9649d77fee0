// SPDX-License-Identifier: Apache-2.0
// Threads whose failures are values: a thread that cannot be started, and an exception that leaves one.
#pragma once

#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "faceflow/result.hpp"

namespace faceflow::internal {

// Converts the current exception to an error that says what was being done ("reading clip.mp4"). Only in a catch block.
// errc::out_of_memory for std::bad_alloc, errc::internal for any other.
[[nodiscard]] error thrown_while(std::string_view doing);

// Calls `work`; an exception becomes an error that names `doing`.
template <class Work>
[[nodiscard]] result<void> caught(std::string_view doing, Work&& work) {
    try {
        std::forward<Work>(work)();
        return {};
    } catch (...) {
        return tl::unexpected(thrown_while(doing));
    }
}

// The same for work that returns a result.
template <class Work>
[[nodiscard]] auto caught_result(std::string_view doing, Work&& work) -> decltype(std::forward<Work>(work)()) {
    try {
        return std::forward<Work>(work)();
    } catch (...) {
        return tl::unexpected(thrown_while(doing));
    }
}

// Receives an exception that leaves a thread; called on that thread, which then ends. It must wake all that wait for
// the thread's work, and must not throw.
using thread_failed = std::function<void(error)>;

// Starts `work` on a new thread. `doing` is shown to the user: "capturing source 0". errc::unavailable when the system
// cannot start a thread, with the limit to raise; then neither function is called, and the caller must end what it
// started before.
[[nodiscard]] result<std::thread> start_thread(const std::string& doing, std::function<void()> work,
                                               thread_failed failed);
[[nodiscard]] result<std::jthread> start_jthread(const std::string& doing,
                                                 std::function<void(const std::stop_token&)> work,
                                                 thread_failed failed);

// Calls `work`, which must not throw, on a thread whose share of a busy processor is a tenth of the others' (10 nicer),
// and waits for it. Threads that it starts are the same for good. Where the system cannot do this, as the caller.
void call_giving_way(const std::function<void()>& work);

// Keeps the first error of several threads. Thread-safe.
class first_error {
public:
    void put(error e) {
        const std::lock_guard lock(mutex_);
        if (first_) first_ = tl::unexpected(std::move(e));
    }
    [[nodiscard]] result<void> get() const {
        const std::lock_guard lock(mutex_);
        return first_;
    }

private:
    mutable std::mutex mutex_;
    result<void> first_;
};

}  // namespace faceflow::internal
