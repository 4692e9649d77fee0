// SPDX-License-Identifier: Apache-2.0
#include "flow/io/input_queue.hpp"

#include <algorithm>

namespace faceflow::internal::flow {

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
    } else {
        devices_[e.to->device].work.notify_all();
    }
    return overtaken.size();
}

void input_queue::assign_route(std::uint32_t source, source_queue& e, const host_frame* first) {
    const auto on = first != nullptr ? options_.lies_on(*first) : std::nullopt;
    if (e.to && (!on || *on == e.to->device)) return;
    if (e.load == 0 && first != nullptr) e.load = load_of(first->picture.width, first->picture.height, 0);
    e.to = routes_.begin(source, e.load, on);
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

queued_frame input_queue::pop(std::uint32_t source, source_queue& e) {
    queued_frame next;
    next.order = options_.merged ? 0 : source;
    next.device = e.to->device;
    next.index = options_.merged ? merged_index_++ : e.next_index++;
    next.frame = std::move(e.waiting.front());
    e.waiting.pop_front();
    ++devices_[next.device].in_flight;
    ++in_flight_;
    if (e.ended && e.waiting.empty()) release_route(source, e);
    not_full_.notify_all();
    return next;
}

bool input_queue::may_start(std::size_t device) const {
    return options_.merged ? in_flight_ < options_.frames_in_flight * devices_.size()
                           : devices_[device].in_flight < options_.frames_in_flight;
}

bool input_queue::may_have(taker by, const std::vector<queued_frame>& but, const host_frame& f, std::size_t lane) {
    if (!follows(f)) return true;
    if (by.lane && *by.lane != lane) return false;
    return by.consecutive || std::none_of(but.begin(), but.end(), [&](const queued_frame& taken) {
               return taken.frame.id.source == f.id.source;
           });
}

// Round robin, starting with the source whose turn it is.
input_queue::source_queues::iterator input_queue::next_in_turn(taker by, const std::vector<queued_frame>& but) {
    auto at = sources_.lower_bound(devices_[by.device].turns[by.lane.value_or(0)]);
    for (std::size_t i = 0; i < sources_.size(); ++i, ++at) {
        if (at == sources_.end()) at = sources_.begin();
        const source_queue& e = at->second;
        if (e.waiting.empty() || !e.to || e.to->device != by.device) continue;
        if (may_have(by, but, e.waiting.front(), e.to->lane)) return at;
    }
    return sources_.end();
}

std::size_t input_queue::capacity() const {
    if (options_.pacing == pacing::live) return 1;
    const auto going_on =
        std::count_if(sources_.begin(), sources_.end(), [](const auto& e) { return !e.second.ended; });
    const auto sources = static_cast<std::size_t>(std::max<std::ptrdiff_t>(going_on, 1));
    return std::max<std::size_t>(2, options_.waiting_frames / sources);
}

// The earliest frame of all sources, once every source that has not ended has a frame waiting.
input_queue::source_queues::iterator input_queue::next_in_time() {
    auto earliest = sources_.end();
    for (auto at = sources_.begin(); at != sources_.end(); ++at) {
        const source_queue& e = at->second;
        if (e.waiting.empty() && e.ended) continue;
        if (e.waiting.empty()) return sources_.end();
        if (earliest == sources_.end() || e.waiting.front().pts_ns < earliest->second.waiting.front().pts_ns)
            earliest = at;
    }
    return earliest;
}

std::optional<queued_frame> input_queue::take_in_turn(taker by, const std::vector<queued_frame>& but) {
    if (!may_start(by.device)) return std::nullopt;
    const auto at = next_in_turn(by, but);
    if (at == sources_.end()) return std::nullopt;
    devices_[by.device].turns[by.lane.value_or(0)] = at->first + 1;
    return pop(at->first, at->second);
}

std::optional<queued_frame> input_queue::take_claimed(taker by, const std::vector<queued_frame>& but) {
    auto& claimed = devices_[by.device].claimed;
    const auto at = std::find_if(claimed.begin(), claimed.end(),
                                 [&](const claimed_frame& c) { return may_have(by, but, c.frame.frame, c.lane); });
    if (at == claimed.end()) return std::nullopt;
    queued_frame next = std::move(at->frame);
    claimed.erase(at);
    return next;
}

// Indices follow time, so frames leave in that order, whichever device and lane they are for. If a lane stopped at the
// first frame of another, it would hardly ever fill a pass: sources of different lanes alternate in time.
std::optional<queued_frame> input_queue::take_in_time(taker by, const std::vector<queued_frame>& but) {
    for (;;) {
        if (auto mine = take_claimed(by, but)) return mine;
        if (!may_start(by.device)) return std::nullopt;
        const auto at = next_in_time();
        if (at == sources_.end()) return std::nullopt;
        const std::size_t lane = at->second.to->lane;
        queued_frame next = pop(at->first, at->second);
        if (next.device == by.device && may_have(by, but, next.frame, lane)) return next;
        device_share& its = devices_[next.device];
        its.claimed.push_back({std::move(next), lane});
        its.work.notify_all();
    }
}

bool input_queue::take_one(taker by, std::vector<queued_frame>& into) {
    if (closed_) return false;
    auto next = options_.merged ? take_in_time(by, into) : take_in_turn(by, into);
    if (next) into.push_back(std::move(*next));
    return next.has_value();
}

// Whether some active source is not among the `taken` yet.
bool input_queue::more_to_come(taker by, std::size_t taken) const {
    return static_cast<std::size_t>(std::count_if(sources_.begin(), sources_.end(), [&](const auto& e) {
               return goes_to(e.second, by) && !e.second.ended;
           })) > taken;
}

std::vector<queued_frame> input_queue::take(taker by, std::size_t at_most, std::chrono::nanoseconds patience) {
    std::vector<queued_frame> taken;
    std::unique_lock lock(mutex_);
    device_share& here = devices_[by.device];
    while (!closed_ && !take_one(by, taken))
        here.work.wait(lock);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!closed_ && !taken.empty() && taken.size() < at_most) {
        if (take_one(by, taken)) continue;
        if (patience.count() == 0 || draining_ > 0 || !more_to_come(by, taken.size())) break;
        if (here.work.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    return taken;
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

}  // namespace faceflow::internal::flow
