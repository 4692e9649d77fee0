// SPDX-License-Identifier: Apache-2.0
#include "media/start_seeker.hpp"

#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

bool start_seeker::seek_to(double seconds) {
    aimed_at_.reset();
    if (!move_(seconds, known_)) return false;
    if (seconds > 0) aimed_at_ = seconds;
    return true;
}

bool start_seeker::seek_further_back() {
    if (!aimed_at_) return false;
    const auto next = further_back(*aimed_at_, *start_);
    return next && seek_to(*next);
}

bool start_seeker::drops(const AVFrame& frame, const frame_times& times) {
    if (!aimed_at_) return false;
    if (!is_entry_point(frame)) return true;
    const bool in_time =
        frame.pts != AV_NOPTS_VALUE && times.from_start(frame.pts) <= seconds_to_ns(*start_) + half_a_microsecond;
    if (!in_time && seek_further_back()) return true;
    aimed_at_.reset();
    return false;
}

}  // namespace faceflow::internal::media
