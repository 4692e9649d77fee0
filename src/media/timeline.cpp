#include "media/timeline.hpp"

#include <algorithm>

namespace faceflow::media {

namespace {
constexpr std::int64_t largest_disorder_ns = 2'000'000'000;
}

std::optional<std::int64_t> timeline::place(std::optional<std::int64_t> raw_ns) noexcept {
    event_ = timeline_event::none;
    const std::int64_t expected = resume_at_.value_or(last_ ? *last_ + nominal_ : 0);
    if (!raw_ns) {
        resume_at_.reset();
        return last_ = expected;
    }
    // A first frame from before the stated start would otherwise get a negative time.
    if (!offset_ || resume_at_ || (!last_ && *raw_ns + *offset_ < 0)) offset_ = expected - *raw_ns;
    resume_at_.reset();
    if (last_ && *raw_ns + *offset_ < *last_ - largest_disorder_ns) {
        event_ = timeline_event::jump;
        offset_ = expected - *raw_ns;
    }
    const std::int64_t time = *raw_ns + *offset_;
    if (last_ && time <= *last_) {
        event_ = timeline_event::out_of_order;
        return std::nullopt;
    }
    return last_ = time;
}

void timeline::restart(std::chrono::nanoseconds elapsed) noexcept {
    resume_at_ = last_ ? *last_ + std::max<std::int64_t>(elapsed.count(), nominal_) : 0;
}

}  // namespace faceflow::media
