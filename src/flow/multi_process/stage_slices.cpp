// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_slices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace faceflow::internal::flow {
namespace {

std::int64_t ticks_of(trace::time_point t) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

trace::time_point point_of(std::int64_t nanoseconds) {
    return trace::time_point(std::chrono::duration_cast<trace::clock::duration>(std::chrono::nanoseconds(nanoseconds)));
}

// Spans and transfers are named after their stage.
stage stage_named(std::string_view wanted) {
    for (const stage s : all_stages) {
        if (name(s) == wanted) return s;
    }
    return stage::capture;
}

stage_slice slice_of(const trace::event& e) {
    stage_slice s;
    s.sequence = e.frame.sequence;
    s.source = e.frame.source;
    s.at = static_cast<std::uint8_t>(stage_named(e.name));
    s.what = e.what != trace::kind::transfer ? slice_kind::work : e.up ? slice_kind::upload : slice_kind::download;
    s.pinned = e.pinned ? 1 : 0;
    s.bytes = e.bytes;
    s.enqueued = ticks_of(e.enqueued);
    s.begin = ticks_of(e.begin);
    s.end = ticks_of(e.end);
    return s;
}

bool continues(const stage_slice& earlier, const stage_slice& s) {
    return earlier.what == slice_kind::work && s.what == slice_kind::work && earlier.at == s.at &&
           earlier.source == s.source && earlier.sequence == s.sequence;
}

}  // namespace

std::vector<stage_slice> slice_log::take() {
    const std::size_t told_before = untold_.size();
    for (const trace::event& e : recorder_.take()) {
        const stage_slice s = slice_of(e);
        const auto first = untold_.begin() + static_cast<std::ptrdiff_t>(told_before);
        const auto same =
            whole_ ? std::find_if(first, untold_.end(), [&](const auto& u) { return continues(u, s); }) : untold_.end();
        if (same != untold_.end()) {
            same->end = std::max(same->end, s.end);
        } else {
            untold_.push_back(s);
        }
    }
    const auto last = untold_.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(untold_.size(), max_slices));
    std::vector<stage_slice> told(untold_.begin(), last);
    untold_.erase(untold_.begin(), last);
    return told;
}

void slice_log::forget() {
    static_cast<void>(recorder_.take());
    untold_.clear();
}

void slice_trace::begin(const frame_id& frame) {
    const std::lock_guard lock(mutex_);
    frames_[{frame.source, frame.sequence}] = {clock::now()};
}

void slice_trace::end(const frame_id& frame) {
    const std::lock_guard lock(mutex_);
    const auto at = frames_.find({frame.source, frame.sequence});
    if (at == frames_.end()) return;
    at->second.end = clock::now();
    ended_.push_back(frame);
    if (ended_.size() <= remembered) return;
    frames_.erase({ended_.front().source, ended_.front().sequence});
    ended_.pop_front();
}

bool slice_trace::makes_sense(const stage_slice& s, clock::time_point now) const {
    if (s.at >= stage_count || s.what > slice_kind::download) return false;
    if (s.enqueued > s.begin || s.begin > s.end) return false;
    const auto in_work = frames_.find({s.source, s.sequence});
    return in_work != frames_.end() && s.enqueued >= ticks_of(in_work->second.begin) &&
           s.end <= ticks_of(std::min(in_work->second.end, now));
}

std::size_t slice_trace::draw(stage_role role, std::span<const stage_slice> slices) {
    const auto now = clock::now();
    std::size_t refused = 0;
    const std::lock_guard lock(mutex_);
    for (const stage_slice& s : slices) {
        if (makes_sense(s, now)) {
            draw_one(role, s);
        } else {
            ++refused;
        }
    }
    return refused;
}

void slice_trace::draw_one(stage_role role, const stage_slice& s) {
    const auto at = static_cast<stage>(s.at);
    const frame_id frame{s.source, s.sequence};
    const trace::row work =
        into_.row_of(fmt::format("{}{} ({} process)", where_, name(at), name(role)), static_cast<std::int32_t>(at));
    if (s.what == slice_kind::work) {
        into_.span(work, name(at), point_of(s.begin), point_of(s.end), frame);
        return;
    }
    trace::crossing c;
    c.up = s.what == slice_kind::upload;
    c.bytes = s.bytes;
    c.pinned = s.pinned != 0;
    c.stage = name(at);
    c.frame = frame;
    c.enqueued = point_of(s.enqueued);
    c.begin = point_of(s.begin);
    c.end = point_of(s.end);
    c.from = work;
    c.to = into_.row_of(fmt::format("{}{} process {}", where_, name(role), c.up ? "host to device" : "device to host"),
                        100);
    into_.transfer(c);
}

}  // namespace faceflow::internal::flow
