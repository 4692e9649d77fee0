#include "media/timeline.hpp"

#include <algorithm>
#include <limits>

namespace faceflow::media {

namespace {
constexpr std::int64_t largest_disorder_ns = 2'000'000'000;
constexpr std::int64_t latest = std::numeric_limits<std::int64_t>::max();

std::int64_t after(std::int64_t time, std::int64_t step) noexcept {
    return time > latest - step ? latest : time + step;
}
}  // namespace

std::optional<std::int64_t> timeline::place(std::optional<std::int64_t> raw_ns) noexcept {
    event_ = timeline_event::none;
    const std::int64_t expected = resume_at_.value_or(last_ ? after(*last_, nominal_) : 0);
    if (!raw_ns) {
        resume_at_.reset();
        return last_ = expected;
    }
    // A first frame from before the stated start would otherwise get a negative time.
    const wide raw = *raw_ns;
    if (!offset_ || resume_at_ || (!last_ && raw + *offset_ < 0)) offset_ = expected - raw;
    resume_at_.reset();
    const bool impossible = raw + *offset_ > latest;
    if (impossible || (last_ && raw + *offset_ < wide(*last_) - largest_disorder_ns)) {
        event_ = timeline_event::jump;
        offset_ = expected - raw;
    }
    const auto time = static_cast<std::int64_t>(raw + *offset_);
    if (last_ && time <= *last_) {
        event_ = timeline_event::out_of_order;
        return std::nullopt;
    }
    return last_ = time;
}

void timeline::restart(std::chrono::nanoseconds elapsed) noexcept {
    resume_at_ = last_ ? after(*last_, std::max<std::int64_t>(elapsed.count(), nominal_)) : 0;
}

}  // namespace faceflow::media
