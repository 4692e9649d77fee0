// SPDX-License-Identifier: Apache-2.0
#include "inference/cpu/shared_run.hpp"

#include <algorithm>
#include <thread>

namespace faceflow::internal::inference::cpu {
namespace {

// Parts per thread: enough for threads to finish at about the same time, few enough that little is computed twice at
// part borders.
constexpr std::int32_t shares_of_thread = 3;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// A part takes some microseconds. After a longer wait, this thread may be occupying the processor of the one it waits
// for.
template <class Done>
void wait_for(const Done& done) {
    constexpr int patience = 200;
    for (int i = 0; !done(); ++i) {
        if (i < patience) {
            pause();
        } else {
            std::this_thread::yield();
        }
    }
}

}  // namespace

shared_run::shared_run(const prepared_binding& of, std::int32_t threads)
    : count_(of.steps().size()),
      threads_(std::max(threads, 1)),
      steps_(new progress[count_]) {}

void shared_run::begin(std::int32_t picture) {
    picture_ = picture;
    for (std::size_t i = 0; i < count_; ++i) {
        steps_[i].next.store(0, std::memory_order_relaxed);
        steps_[i].done.store(0, std::memory_order_relaxed);
    }
}

void shared_run::work(const prepared_binding& binding, float* scratch) const {
    for (std::size_t i = 0; i < count_; ++i)
        work(*binding.steps()[i], steps_[i], scratch);
}

void shared_run::work(const bound_step& s, progress& p, float* scratch) const {
    const std::int32_t parts = s.parts();
    const std::int32_t share = std::max(1, parts / (shares_of_thread * threads_));
    while (p.next.load(std::memory_order_relaxed) < parts) {
        const std::int32_t from = p.next.fetch_add(share, std::memory_order_relaxed);
        if (from >= parts) break;
        const std::int32_t to = std::min(from + share, parts);
        s.run(picture_, from, to, scratch);
        p.done.fetch_add(to - from, std::memory_order_release);
    }
    wait_for([&] { return p.done.load(std::memory_order_acquire) == parts; });
}

}  // namespace faceflow::internal::inference::cpu
