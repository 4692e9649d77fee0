// SPDX-License-Identifier: Apache-2.0
#include "media/timeline.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace faceflow::internal::media {

namespace {

constexpr std::int64_t latest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t second = 1'000'000'000;
// After this many frames, a clock that was set counts as set for good.
constexpr int longest_excursion = 64;
// How much later than the first frame after a loss the clock may be and still count as the old one.
constexpr std::int64_t restart_slack = 10 * second;

std::int64_t after(std::int64_t time, std::int64_t step) noexcept {
    return time > latest - step ? latest : time + step;
}

}  // namespace

std::int64_t timeline::go_to(wide time) noexcept {
    const std::int64_t earliest = last_ ? after(*last_, 1) : 0;
    last_ = static_cast<std::int64_t>(std::clamp<wide>(time, earliest, latest));
    return *last_;
}

bool timeline::fits(wide time, wide longest) const noexcept {
    return last_ && time > *last_ && time <= wide(*last_) + longest;
}

std::optional<std::int64_t> timeline::offset() const noexcept {
    if (!clock_ || *clock_ > latest || *clock_ < std::numeric_limits<std::int64_t>::min()) return std::nullopt;
    return static_cast<std::int64_t>(*clock_);
}

// The earliest coming time that is later than the last returned one; `latest` if none is known.
std::int64_t timeline::first_after_last(const std::vector<std::int64_t>& coming) const noexcept {
    const wide last = last_ ? wide(*last_) : wide(-1);
    for (const std::int64_t raw : coming) {
        const wide time = wide(raw) + clock_.value_or(0);
        if (time > last) return static_cast<std::int64_t>(std::min<wide>(time, latest));
    }
    return latest;
}

// One frame after the last, or halfway to the next one if that is sooner.
std::int64_t timeline::between(const std::vector<std::int64_t>& coming) const noexcept {
    if (!last_) return 0;
    const std::int64_t room = first_after_last(coming) - *last_;
    return after(*last_, std::max<std::int64_t>(1, std::min(nominal_, room / 2)));
}

// Whether coming frames are earlier than this one and continue from the last: then this one has a wrong timestamp.
// Frames of a damaged stretch, which never come out, begin where this one would otherwise be placed.
bool timeline::leads_away(wide time, const std::vector<std::int64_t>& coming) const noexcept {
    const wide step = time - (last_ ? wide(*last_) : wide(0));
    if (step <= 2 * wide(nominal_) || (!last_ && step <= 2 * wide(second))) return false;
    const std::int64_t next = first_after_last(coming);
    if (next >= time) return false;
    return step > second || (last_ && next - *last_ > nominal_ + nominal_ / 2);
}

// Whether, after a step back to `raw`, coming frames return to where the clock was: by a step, and not gradually.
bool timeline::clock_goes_on(std::int64_t raw, const std::vector<std::int64_t>& coming) const noexcept {
    wide reached = raw;
    for (const std::int64_t next : coming) {
        if (next <= reached) continue;
        const bool on_the_way = next - reached <= 3 * wide(nominal_);
        if (wide(next) + *clock_ > *last_) return !on_the_way;
        if (on_the_way) reached = next;
    }
    return false;
}

std::int64_t timeline::take_for_outlier(const std::vector<std::int64_t>& coming) noexcept {
    if (!std::exchange(in_outliers_, true)) ++counts_.jumps;
    ++counts_.outliers;
    return go_to(between(coming));
}

std::int64_t timeline::join(std::int64_t raw) noexcept {
    ++counts_.jumps;
    // Of several consecutive steps, the first one left the clock that may come back.
    if (!previous_) {
        previous_ = clock_;
        since_set_ = 0;
    }
    const std::int64_t time = go_to(between({}));
    clock_ = wide(time) - raw;
    return time;
}

std::int64_t timeline::resume(std::optional<std::int64_t> raw_ns) noexcept {
    const std::int64_t expected = *std::exchange(resume_at_, std::nullopt);
    if (!raw_ns) {
        resume_at_ = after(go_to(expected), nominal_);
        return *last_;
    }
    const bool goes_on = clock_ && fits(wide(*raw_ns) + *clock_, wide(expected) - last_.value_or(0) + restart_slack);
    if (!goes_on) clock_ = wide(expected) - *raw_ns;
    return go_to(wide(*raw_ns) + *clock_);
}

std::int64_t timeline::place(std::optional<std::int64_t> raw_ns, std::optional<std::int64_t> longest_gap_ns,
                             const outlook& ahead) {
    if (resume_at_) return resume(last_raw_ = raw_ns);
    const auto coming = [&] { return ahead ? ahead() : std::vector<std::int64_t>(); };
    if (!raw_ns) return go_to(last_ && clock_ ? between(coming()) : last_ ? after(*last_, nominal_) : 0);

    const std::int64_t raw = *raw_ns;
    const bool first_stated = !last_raw_;
    const bool stands_still = std::exchange(last_raw_, raw) == raw;
    if (!clock_) clock_ = -wide(raw);
    // Frames without a time came before.
    if (first_stated && last_ && raw + *clock_ <= *last_) clock_ = wide(after(*last_, nominal_)) - raw;
    if (!last_ && raw + *clock_ < 0) clock_ = -wide(raw);  // from before the stated start
    const wide time = raw + *clock_;
    if (previous_) {
        const wide by_previous = raw + *previous_;
        if (fits(by_previous, restart_slack) && (!fits(time, by_previous - *last_) || by_previous < time)) {
            counts_.outliers += static_cast<std::uint64_t>(since_set_) + 1;
            clock_ = *std::exchange(previous_, std::nullopt);
            return go_to(by_previous);
        }
        if (++since_set_ >= longest_excursion) previous_.reset();
    }

    const bool grows = !last_ || time > *last_;
    if (grows && (time > latest || (longest_gap_ns && time > wide(last_.value_or(0)) + *longest_gap_ns) ||
                  time > wide(last_.value_or(0)) + 2 * wide(nominal_))) {
        const auto next = coming();
        if (leads_away(time, next)) return take_for_outlier(next);
        const bool set = time > latest || (last_ && longest_gap_ns && time > wide(*last_) + *longest_gap_ns);
        if (set && last_) return join(raw);
        if (set) clock_ = -wide(raw);
    }
    if (grows) {
        in_outliers_ = false;
        return go_to(wide(raw) + *clock_);
    }
    const std::int64_t disorder = static_cast<std::int64_t>(std::clamp<wide>(2 * wide(nominal_), second / 10, second));
    if (stands_still || time > wide(*last_) - disorder) {
        ++counts_.order;
        return go_to(between(coming()));
    }
    const auto next = coming();
    return clock_goes_on(raw, next) ? take_for_outlier(next) : join(raw);
}

void timeline::restart(std::chrono::nanoseconds elapsed) noexcept {
    resume_at_ = last_ ? after(*last_, std::max<std::int64_t>(elapsed.count(), nominal_)) : 0;
    previous_.reset();
    in_outliers_ = false;
}

}  // namespace faceflow::internal::media
