// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine.cpp"
// Once for each instruction set, best one chosen at run time.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Twelve chains hide the latency of two multiply-add units. Returns the FLOPs done; `out` keeps the work alive.
double multiply_adds(long rounds, float* out) {
    const hn::ScalableTag<float> d;
    const auto scale = hn::Set(d, 0.999f), shift = hn::Set(d, 0.001f);
    auto a = hn::Set(d, 1.0f), b = hn::Set(d, 1.1f), c = hn::Set(d, 1.2f), e = hn::Set(d, 1.3f);
    auto f = hn::Set(d, 1.4f), g = hn::Set(d, 1.5f), h = hn::Set(d, 1.6f), i = hn::Set(d, 1.7f);
    auto j = hn::Set(d, 1.8f), k = hn::Set(d, 1.9f), l = hn::Set(d, 2.0f), m = hn::Set(d, 2.1f);
    for (long r = 0; r < rounds; ++r) {
        a = hn::MulAdd(a, scale, shift), b = hn::MulAdd(b, scale, shift), c = hn::MulAdd(c, scale, shift);
        e = hn::MulAdd(e, scale, shift), f = hn::MulAdd(f, scale, shift), g = hn::MulAdd(g, scale, shift);
        h = hn::MulAdd(h, scale, shift), i = hn::MulAdd(i, scale, shift), j = hn::MulAdd(j, scale, shift);
        k = hn::MulAdd(k, scale, shift), l = hn::MulAdd(l, scale, shift), m = hn::MulAdd(m, scale, shift);
    }
    a = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)), hn::Add(hn::Add(f, g), hn::Add(h, i)));
    a = hn::Add(a, hn::Add(hn::Add(j, k), hn::Add(l, m)));
    *out = hn::GetLane(hn::SumOfLanes(d, a));
    return static_cast<double>(rounds) * 12 * 2 * static_cast<double>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace faceflow::internal::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "machine.hpp"

namespace faceflow::internal::bench {
namespace {

HWY_EXPORT(multiply_adds);

using clock = std::chrono::steady_clock;

// Units of work a second over all threads, best of `goes`; work(thread) returns how many it did.
template <class Work>
double best_rate(unsigned threads, int goes, Work work) {
    double best = 0;
    for (int go = 0; go < goes; ++go) {
        std::barrier start(static_cast<std::ptrdiff_t>(threads));
        std::vector<double> rate(threads);
        std::vector<std::thread> running;
        for (unsigned t = 0; t < threads; ++t) {
            running.emplace_back([&, t] {
                start.arrive_and_wait();
                const auto begun = clock::now();
                const double done = work(t);
                rate[t] = done / std::chrono::duration<double>(clock::now() - begun).count();
            });
        }
        double sum = 0;
        for (unsigned t = 0; t < threads; ++t) {
            running[t].join();
            sum += rate[t];
        }
        best = std::max(best, sum);
    }
    return best;
}

}  // namespace

machine_limits measure_limits(unsigned threads) {
    constexpr std::size_t bytes = std::size_t{96} << 20;
    struct buffers {
        std::vector<char> from, to;
    };
    machine_limits limits;
    {
        std::vector<buffers> each(threads);
        for (auto& b : each) {
            b.from.assign(bytes, 1);
            b.to.assign(bytes, 2);
        }
        limits.copy_bytes_per_second = best_rate(threads, 4, [&](unsigned t) {
            std::memcpy(each[t].to.data(), each[t].from.data(), bytes);
            return 2.0 * static_cast<double>(bytes);
        });
    }
    std::vector<float> kept(threads);
    limits.flops_per_second =
        best_rate(threads, 4, [&](unsigned t) { return HWY_DYNAMIC_DISPATCH(multiply_adds)(3'000'000, &kept[t]); });
    volatile float seen = kept.front();
    static_cast<void>(seen);
    return limits;
}

std::size_t peak_resident_bytes() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<std::size_t>(used.ru_maxrss) * 1024;
}

double seconds_since_process_start() {
    std::ifstream stat("/proc/self/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    // The name in parentheses may hold anything; the 20th field behind it is the start, in ticks since boot.
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string field;
    for (int i = 0; i < 20; ++i)
        fields >> field;
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9 -
           std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

cpu_seconds cpu_now() {
    cpu_seconds at;
    std::ifstream stat("/proc/stat");
    std::string label;
    double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0;
    stat >> label >> user >> nice >> system >> idle >> wait >> irq >> softirq >> steal;
    at.machine = (user + nice + system + irq + softirq + steal) / static_cast<double>(sysconf(_SC_CLK_TCK));
    timespec own{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    at.own = static_cast<double>(own.tv_sec) + static_cast<double>(own.tv_nsec) / 1e9;
    return at;
}

}  // namespace faceflow::internal::bench
#endif
