// SPDX-License-Identifier: Apache-2.0
// Threads that help with work that has parts, while fewer work than there are processors.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace faceflow {

// Thread-safe. Helpers are started when they are first needed, and sleep while there is nothing to help with.
class worker_pool {
public:
    // `processors`: how many threads work at once, those that call included; 1: those alone.
    explicit worker_pool(std::int32_t processors);
    // Not while a call is under way.
    ~worker_pool();
    worker_pool(const worker_pool&) = delete;

    [[nodiscard]] std::int32_t processors() const noexcept { return processors_; }

    // Calls work(0) on the calling thread and, at the same time, work(1), work(2), … on helpers, `most` calls in all and no more than other
    // callers leave processors for; returns when all those calls have. A helper comes late, or not at all: work(0) must do everything
    // that no other has begun. `work` must not throw. Allocates nothing once the helpers are there.
    template <class Work>
    void together(std::int32_t most, const Work& work) {
        static_assert(std::is_invocable_v<const Work&, std::int32_t>);
        run(most, {[](const void* of, std::int32_t i) { (*static_cast<const Work*>(of))(i); }, &work});
    }

    // work(i) for every i from 0 to `parts` - 1, in any order and at the same time.
    template <class Work>
    void for_each(std::int32_t parts, const Work& work) {
        std::atomic<std::int32_t> next{0};
        together(parts, [&](std::int32_t) {
            for (auto i = next.fetch_add(1); i < parts; i = next.fetch_add(1))
                work(i);
        });
    }

private:
    struct callback {
        void (*call)(const void* of, std::int32_t i);
        const void* of;
    };
    // A call that is under way; lies on its caller's stack. All but `work` under the mutex.
    struct region {
        callback work;
        std::int32_t wanted = 0;  // helpers that have yet to come
        std::int32_t next = 1;    // what the next of them is called with
        std::int32_t inside = 0;  // helpers at work
        region* later = nullptr;  // that wants helpers, too
    };
    void run(std::int32_t most, callback work);
    void help();
    void start_helpers(std::int32_t wanted);
    void withdraw(const region& r);

    const std::int32_t processors_;
    std::atomic<std::int32_t> busy_{0};  // callers, and helpers that are at work or asked for
    std::mutex mutex_;
    std::condition_variable asked_, left_;
    region* first_ = nullptr;
    bool ending_ = false, refused_ = false;  // refused: the system makes no more threads
    std::int32_t idle_ = 0;
    std::vector<std::thread> helpers_;
};

}  // namespace faceflow
