// SPDX-License-Identifier: Apache-2.0
// Helper threads for work that can be divided, limited by the number of processors.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace faceflow::internal {

// Thread-safe. Helpers are started on first use and sleep while idle.
class worker_pool {
public:
    // `processors`: how many threads work at once, callers included; 1: only the callers.
    explicit worker_pool(std::int32_t processors);
    // Must not run during a call.
    ~worker_pool();
    worker_pool(const worker_pool&) = delete;

    [[nodiscard]] std::int32_t processors() const noexcept { return processors_; }

    // Calls work(0) on the calling thread and, concurrently, work(1), work(2), … on helpers: at most `most` calls, and
    // no more than the processors that other callers leave free. Returns when all of them have returned. Helpers may
    // come late or not at all, so work(0) must do everything that no other call has begun. `work` must not throw.
    // Allocates nothing once the helpers exist.
    template <class Work>
    void together(std::int32_t most, const Work& work) {
        static_assert(std::is_invocable_v<const Work&, std::int32_t>);
        run(most, {[](const void* of, std::int32_t i) { (*static_cast<const Work*>(of))(i); }, &work});
    }

    // Calls work(i) for every i from 0 to `parts` - 1, in any order and concurrently.
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
    // A call in progress; lies on its caller's stack. The mutex guards all members but `work`.
    struct region {
        callback work;
        std::int32_t wanted = 0;  // helpers that have yet to join
        std::int32_t next = 1;    // the argument of the next helper's call
        std::int32_t inside = 0;  // helpers at work
        region* later = nullptr;  // the next call that wants helpers
    };
    void run(std::int32_t most, callback work);
    void help();
    void start_helpers(std::int32_t wanted);
    void withdraw(const region& r);

    const std::int32_t processors_;
    std::atomic<std::int32_t> busy_{0};  // callers, and helpers at work or requested
    std::mutex mutex_;
    std::condition_variable asked_, left_;
    region* first_ = nullptr;
    bool ending_ = false, refused_ = false;  // refused_: the system starts no more threads
    std::int32_t idle_ = 0;
    std::vector<std::thread> helpers_;
};

}  // namespace faceflow::internal
