// SPDX-License-Identifier: Apache-2.0
#include "flow/io/input_queue.hpp"

#include <algorithm>

namespace faceflow::flow {

std::optional<std::size_t> input_queue::put(host_frame frame) {
    // Destroyed after the lock is released: destroying a frame may run the user's release callback.
    std::vector<host_frame> overtaken;
    const std::uint32_t source = frame.id.source;
    std::unique_lock lock(mutex_);
    source_queue& e = sources_[source];
    if (options_.pacing == pacing::live) {
        while (e.waiting.size() >= capacity()) {
            overtaken.push_back(std::move(e.waiting.front()));
            e.waiting.pop_front();
        }
    } else {
        not_full_.wait(lock, [&] { return closed_ || e.waiting.size() < capacity(); });
    }
    if (closed_) return std::nullopt;
    assign_route(source, e, &frame);
    e.waiting.push_back(std::move(frame));
    if (options_.merged) {
        // The earliest frame of all sources decides which device has work now: wake the takers of every device.
        if (next_in_time() != sources_.end()) wake_takers();
    } else if (ready(e)) {
        devices_[e.to->device].work.notify_all();
    }
    return overtaken.size();
}

// A source that returns or moves has no faces to track on its new device.
void input_queue::assign_route(std::uint32_t source, source_queue& e, const host_frame* first) {
    const auto on = first != nullptr ? options_.lies_on(*first) : std::nullopt;
    if (e.to && (!on || *on == e.to->device)) return;
    if (e.load == 0 && first != nullptr) e.load = load_of(first->picture.width, first->picture.height, 0);
    e.to = routes_.begin(source, e.load, on);
    e.taken_frames = 0;
}

void input_queue::release_route(std::uint32_t source, source_queue& e) {
    routes_.end(source);
    e.to.reset();
    e.load = 0;
}

void input_queue::end_source(std::uint32_t source) {
    const std::lock_guard lock(mutex_);
    source_queue& e = sources_[source];
    e.ended = true;
    if (e.waiting.empty()) release_route(source, e);
    wake_takers();
}

void input_queue::begin_source(std::uint32_t source, std::uint64_t load) {
    const std::lock_guard lock(mutex_);
    source_queue& e = sources_[source];
    e.ended = false;
    if (load == 0) return;
    e.load = load;
    if (e.to) {
        routes_.begin(source, load);
    } else {
        assign_route(source, e, nullptr);
    }
}

frame_group input_queue::cut(std::uint32_t source, source_queue& e) {
    frame_group group;
    group.order = options_.merged ? 0 : source;
    group.source = source;
    group.device = e.to->device;
    group.index = options_.merged ? merged_index_++ : e.next_index++;
    group.detect_every = options_.detect_every;
    group.detect_first = e.taken_frames % options_.detect_every == 0;
    const std::size_t n = options_.pacing == pacing::live ? 1 : std::min(options_.group_frames, e.waiting.size());
    for (std::size_t i = 0; i < n; ++i) {
        group.frames.push_back(std::move(e.waiting.front()));
        e.waiting.pop_front();
    }
    // A recorded group that was cut short counts as whole: the next group starts with its own detection.
    e.taken_frames += options_.pacing == pacing::live ? n : options_.group_frames;
    e.flush_count -= std::min(e.flush_count, n);
    ++devices_[group.device].in_flight;
    ++in_flight_;
    if (e.ended && e.waiting.empty()) release_route(source, e);
    not_full_.notify_all();
    return group;
}

bool input_queue::may_start(std::size_t device) const {
    return options_.merged ? in_flight_ < options_.groups_in_flight * devices_.size()
                           : devices_[device].in_flight < options_.groups_in_flight;
}

// Round robin, starting with the source whose turn it is.
input_queue::source_queues::iterator input_queue::next_in_turn(taker by, const std::vector<frame_group>& but) {
    const auto taken = [&](std::uint32_t source) {
        return options_.pacing == pacing::live &&
               std::any_of(but.begin(), but.end(), [&](const frame_group& u) { return u.source == source; });
    };
    auto at = sources_.lower_bound(devices_[by.device].turns[by.lane.value_or(0)]);
    for (std::size_t i = 0; i < sources_.size(); ++i, ++at) {
        if (at == sources_.end()) at = sources_.begin();
        if (goes_to(at->second, by) && ready(at->second) && !taken(at->first)) return at;
    }
    return sources_.end();
}

std::size_t input_queue::capacity() const {
    if (options_.pacing == pacing::live) return 1;
    const auto going_on =
        std::count_if(sources_.begin(), sources_.end(), [](const auto& e) { return !e.second.ended; });
    const auto sources = static_cast<std::size_t>(std::max<std::ptrdiff_t>(going_on, 1));
    return std::max(2 * options_.group_frames, options_.waiting_frames / sources);
}

// The earliest frame of all sources, once every source that has not ended has a frame waiting.
input_queue::source_queues::iterator input_queue::next_in_time() {
    auto earliest = sources_.end();
    for (auto at = sources_.begin(); at != sources_.end(); ++at) {
        const source_queue& e = at->second;
        if (e.waiting.empty() && e.ended) continue;
        if (!ready(e)) return sources_.end();
        if (earliest == sources_.end() || e.waiting.front().pts_ns < earliest->second.waiting.front().pts_ns)
            earliest = at;
    }
    return earliest;
}

std::optional<frame_group> input_queue::cut_for(taker by, const std::vector<frame_group>& but) {
    if (!may_start(by.device)) return std::nullopt;
    const auto at = next_in_turn(by, but);
    if (at == sources_.end()) return std::nullopt;
    devices_[by.device].turns[by.lane.value_or(0)] = at->first + 1;
    return cut(at->first, at->second);
}

// Indices follow time, so groups are cut in that order, whichever device they are for. If a lane stopped at the first
// group of another device, it would hardly ever fill a pass: sources of different devices alternate in time.
std::optional<frame_group> input_queue::cut_in_time_for(std::size_t device) {
    auto& claimed = devices_[device].claimed;
    while (claimed.empty()) {
        if (!may_start(device)) return std::nullopt;
        const auto at = next_in_time();
        if (at == sources_.end()) return std::nullopt;
        frame_group group = cut(at->first, at->second);
        if (group.device == device) return group;
        device_share& other = devices_[group.device];
        other.claimed.push_back(std::move(group));
        other.work.notify_all();
    }
    frame_group group = std::move(claimed.front());
    claimed.pop_front();
    return group;
}

bool input_queue::take_one(taker by, std::vector<frame_group>& into) {
    if (closed_) return false;
    auto group = options_.merged ? cut_in_time_for(by.device) : cut_for(by, into);
    if (group) into.push_back(std::move(*group));
    return group.has_value();
}

// Whether some active source is not among the `taken` yet.
bool input_queue::more_to_come(taker by, std::size_t taken) const {
    return static_cast<std::size_t>(std::count_if(sources_.begin(), sources_.end(), [&](const auto& e) {
               return goes_to(e.second, by) && !e.second.ended;
           })) > taken;
}

std::vector<frame_group> input_queue::take(taker by, std::size_t at_most, std::chrono::nanoseconds patience) {
    std::vector<frame_group> groups;
    std::unique_lock lock(mutex_);
    device_share& here = devices_[by.device];
    while (!closed_ && !take_one(by, groups))
        here.work.wait(lock);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!closed_ && !groups.empty() && groups.size() < at_most) {
        if (take_one(by, groups)) continue;
        if (patience.count() == 0 || draining_ > 0 || !more_to_come(by, groups.size())) break;
        if (here.work.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    return groups;
}

void input_queue::done(std::size_t device) {
    const std::lock_guard lock(mutex_);
    --devices_[device].in_flight;
    --in_flight_;
    if (options_.merged) {
        wake_takers();
    } else {
        devices_[device].work.notify_all();
    }
    idle_.notify_all();
}

void input_queue::wake_takers() {
    for (device_share& d : devices_)
        d.work.notify_all();
}

void input_queue::flush() {
    const std::lock_guard lock(mutex_);
    // If more results will come anyway, do nothing: otherwise the composition of groups would depend on timing.
    const bool comes_anyway =
        in_flight_ > 0 || std::any_of(sources_.begin(), sources_.end(), [&](const auto& e) { return ready(e.second); });
    if (comes_anyway) return;
    for (auto& [source, e] : sources_)
        e.flush_count = e.waiting.size();
    wake_takers();
}

void input_queue::wait_idle() {
    std::unique_lock lock(mutex_);
    ++draining_;
    wake_takers();
    idle_.wait(lock, [&] {
        return closed_ || (in_flight_ == 0 && std::all_of(sources_.begin(), sources_.end(),
                                                          [](const auto& e) { return e.second.waiting.empty(); }));
    });
    --draining_;
}

void input_queue::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    wake_takers();
    not_full_.notify_all();
    idle_.notify_all();
}

}  // namespace faceflow::flow
