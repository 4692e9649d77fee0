// SPDX-License-Identifier: Apache-2.0
#include "client/anticipation.hpp"

#include <algorithm>
#include <cmath>

namespace faceflow::internal::client {
namespace {

// Assumed lateness of timers before any was observed, and its bounds.
constexpr std::int64_t first_lateness_ns = 100'000, least_lateness_ns = 20'000, max_lateness_ns = 500'000;
// A look begins a quarter of the spread before the earliest expected time and ends half of it after the latest. This
// margin covers what the statistics do not: that a sleep of usual lateness ends just in time, and that the server needs
// a moment to ring.
constexpr std::int64_t grace_ns = 25'000;
constexpr std::int64_t plausible_ns = 10'000'000'000;
// Bounds memory against a server that numbers its sources arbitrarily.
constexpr std::size_t max_sources = 64;

// The median. Reorders the values.
double median(double* first, std::size_t count) {
    const auto middle = first + static_cast<std::ptrdiff_t>(count / 2);
    std::nth_element(first, middle, first + static_cast<std::ptrdiff_t>(count));
    return *middle;
}

}  // namespace

void cadence::add(std::uint64_t sequence, std::int64_t ns) {
    if (added_ > 0) {
        const frame& before = last();
        if (sequence <= before.sequence || sequence - before.sequence > max_missing || ns <= before.ns ||
            ns - before.ns > longest_gap_ns)
            added_ = 0;
    }
    frames_[added_ % most] = {sequence, ns};
    ++added_;
}

std::optional<cadence::span> cadence::next() const {
    const std::size_t n = count();
    if (n < enough) return std::nullopt;
    // Frames and nanoseconds relative to the last one.
    std::array<double, most> x{}, y{};
    for (std::size_t i = 0; i < n; ++i) {
        x[i] = -static_cast<double>(last().sequence - frames_[i].sequence);
        y[i] = -static_cast<double>(last().ns - frames_[i].ns);
    }
    std::array<double, most*(most - 1) / 2> slopes{};
    std::size_t pairs = 0;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < i; ++k)
            slopes[pairs++] = (y[i] - y[k]) / (x[i] - x[k]);
    }
    const double period = median(slopes.data(), pairs);
    std::array<double, most> off{};
    for (std::size_t i = 0; i < n; ++i)
        off[i] = y[i] - period * x[i];
    std::sort(off.begin(), off.begin() + static_cast<std::ptrdiff_t>(n));
    const std::size_t odd = n / 8;
    const auto due = [&](double late) { return last().ns + std::llround(period + late); };
    return span{due(off[odd]), due(off[n / 2]), due(off[n - 1 - odd])};
}

void anticipation::came(std::uint32_t source, std::uint64_t sequence, std::int64_t announced_ns, std::int64_t now_ns) {
    if (announced_ns < now_ns - plausible_ns || announced_ns > now_ns + plausible_ns) return;
    if (sources_.size() >= max_sources && !sources_.contains(source)) return;
    auto& s = sources_[source];
    s.beat.add(sequence, announced_ns);
    s.looked_for = false;
}

std::int64_t anticipation::affordable_at(std::int64_t ns) const {
    const double grown = share * static_cast<double>(std::max<std::int64_t>(ns - counted_ns_, 0));
    return static_cast<std::int64_t>(
        std::min(static_cast<double>(allowance_ns_) + grown, static_cast<double>(longest_look_ns)));
}

std::int64_t anticipation::lateness() const {
    const std::size_t n = std::min(sleeps_, late_.size());
    if (n < late_.size() / 4) return first_lateness_ns;
    auto sorted = late_;
    const auto odd = static_cast<std::ptrdiff_t>(n - 1 - n / 8);
    std::nth_element(sorted.begin(), sorted.begin() + odd, sorted.begin() + static_cast<std::ptrdiff_t>(n));
    return std::clamp(sorted[static_cast<std::size_t>(odd)], least_lateness_ns, max_lateness_ns);
}

std::optional<anticipation::look> anticipation::next(std::int64_t now_ns) {
    allowance_ns_ = affordable_at(now_ns);
    counted_ns_ = now_ns;
    const std::int64_t late = lateness();
    std::optional<look> first;
    for (const auto& [number, s] : sources_) {
        if (s.looked_for) continue;
        const auto due = s.beat.next();
        if (!due) continue;
        const std::int64_t spread = due->latest_ns - due->earliest_ns;
        look l{due->earliest_ns - spread / 4 - late - grace_ns, due->latest_ns + spread / 2 + grace_ns};
        l.until_ns = std::min(l.until_ns, l.from_ns + affordable_at(l.from_ns));
        if (l.until_ns <= now_ns || l.until_ns < due->middle_ns + grace_ns) continue;
        if (first && first->from_ns <= l.from_ns) continue;
        first = l;
        chosen_ = number;
    }
    if (first) first->from_ns = std::max(first->from_ns, now_ns);
    return first;
}

void anticipation::woke(std::int64_t due_ns, std::int64_t now_ns, bool rung) {
    late_[sleeps_++ % late_.size()] = (now_ns - due_ns) * (rung ? 2 : 1);
}

void anticipation::looked(std::int64_t from_ns, std::int64_t until_ns) {
    allowance_ns_ = affordable_at(from_ns) - (until_ns - from_ns);
    counted_ns_ = until_ns;
    sources_[chosen_].looked_for = true;
}

}  // namespace faceflow::internal::client
