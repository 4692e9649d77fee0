// SPDX-License-Identifier: Apache-2.0
#include "core/processor_load.hpp"

#include <ctime>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <utility>

#include "core/processors.hpp"

namespace faceflow::internal {
namespace {

constexpr auto shortest = std::chrono::milliseconds(200);
constexpr auto longest = std::chrono::seconds(10);  // older readings say nothing about the present

std::chrono::nanoseconds own_time() {
    timespec t{};
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0) return {};
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

std::optional<processor_load::reading> processor_load::read() const {
    std::ifstream file(root_ / "proc/stat");
    std::string name;
    std::array<std::uint64_t, 8> ticks{};  // user, nice, system, idle, iowait, irq, softirq, steal
    if (!(file >> name) || name != "cpu") return std::nullopt;
    for (auto& t : ticks)
        if (!(file >> t)) return std::nullopt;
    reading r;
    r.at = std::chrono::steady_clock::now();
    for (const auto t : ticks)
        r.all += t;
    r.busy = r.all - ticks[3] - ticks[4];
    r.own = own_time();
    return r;
}

std::optional<double> processor_load::since_last() {
    const auto now = read();
    if (!now) return std::nullopt;
    if (last_ && now->at - last_->at < shortest) return std::nullopt;
    const auto before = std::exchange(last_, now);
    if (!before || now->at - before->at > longest || now->all <= before->all || now->busy < before->busy)
        return std::nullopt;
    const double machine = static_cast<double>(now->busy - before->busy) / static_cast<double>(now->all - before->all);
    const std::chrono::duration<double> passed = now->at - before->at;
    const std::chrono::duration<double> own = now->own - before->own;
    return std::clamp(std::max(machine, own / passed / usable_processors()), 0.0, 1.0);
}

}  // namespace faceflow::internal
