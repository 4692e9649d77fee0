#include "flow/intake.hpp"

#include <algorithm>

namespace faceflow::flow {

std::optional<std::size_t> intake::put(host_frame frame) {
    // Goes after the lock: with a frame ends what its owner holds, by code of the user's.
    std::vector<host_frame> overtaken;
    const std::uint32_t source = frame.id.source;
    std::unique_lock lock(mutex_);
    edge& e = edges_[source];
    if (options_.pacing == pacing::live) {
        while (e.waiting.size() >= capacity()) {
            overtaken.push_back(std::move(e.waiting.front()));
            e.waiting.pop_front();
        }
    } else {
        room_.wait(lock, [&] { return closed_ || e.waiting.size() < capacity(); });
    }
    if (closed_) return std::nullopt;
    settle_route(source, e, &frame);
    e.waiting.push_back(std::move(frame));
    if (options_.merged) {
        // Whose turn it is decides for which device there is work now; those before it wake the others.
        if (next_in_time() != edges_.end()) wake_takers();
    } else if (ready(e)) {
        devices_[e.to->device].work.notify_all();
    }
    return overtaken.size();
}

// One that comes back, or moves, has no faces to follow where it goes.
void intake::settle_route(std::uint32_t source, edge& e, const host_frame* first) {
    const auto on = first != nullptr ? options_.lies_on(*first) : std::nullopt;
    if (e.to && (!on || *on == e.to->device)) return;
    if (e.load == 0 && first != nullptr) e.load = load_of(first->picture.width, first->picture.height, 0);
    e.to = routes_.begin(source, e.load, on);
    e.taken_frames = 0;
}

void intake::leave_route(std::uint32_t source, edge& e) {
    routes_.end(source);
    e.to.reset();
    e.load = 0;
}

void intake::end_source(std::uint32_t source) {
    const std::lock_guard lock(mutex_);
    edge& e = edges_[source];
    e.ended = true;
    if (e.waiting.empty()) leave_route(source, e);
    wake_takers();
}

void intake::begin_source(std::uint32_t source, std::uint64_t load) {
    const std::lock_guard lock(mutex_);
    edge& e = edges_[source];
    e.ended = false;
    if (load == 0) return;
    e.load = load;
    if (e.to) {
        routes_.begin(source, load);
    } else {
        settle_route(source, e, nullptr);
    }
}

work_unit intake::cut(std::uint32_t source, edge& e) {
    work_unit unit;
    unit.line = options_.merged ? 0 : source;
    unit.source = source;
    unit.device = e.to->device;
    unit.ticket = options_.merged ? merged_ticket_++ : e.next_ticket++;
    unit.detect_first = e.taken_frames % options_.detect_every == 0;
    const std::size_t n = options_.pacing == pacing::live ? 1 : std::min(options_.unit_frames, e.waiting.size());
    for (std::size_t i = 0; i < n; ++i) {
        unit.frames.push_back(std::move(e.waiting.front()));
        e.waiting.pop_front();
    }
    // A recorded unit that was cut short is over: the next one begins with a detection of its own.
    e.taken_frames += options_.pacing == pacing::live ? n : options_.unit_frames;
    e.in_a_hurry -= std::min(e.in_a_hurry, n);
    ++devices_[unit.device].in_flight;
    ++in_flight_;
    if (e.ended && e.waiting.empty()) leave_route(source, e);
    room_.notify_all();
    return unit;
}

bool intake::room_in_flight(std::size_t device) const {
    return options_.merged ? in_flight_ < options_.units_in_flight * devices_.size()
                           : devices_[device].in_flight < options_.units_in_flight;
}

// From the source whose turn it is, then around.
intake::edges::iterator intake::next_in_turn(taker by, const std::vector<work_unit>& but) {
    const auto taken = [&](std::uint32_t source) {
        return options_.pacing == pacing::live &&
               std::any_of(but.begin(), but.end(), [&](const work_unit& u) { return u.source == source; });
    };
    auto at = edges_.lower_bound(devices_[by.device].turns[by.lane.value_or(0)]);
    for (std::size_t i = 0; i < edges_.size(); ++i, ++at) {
        if (at == edges_.end()) at = edges_.begin();
        if (goes_to(at->second, by) && ready(at->second) && !taken(at->first)) return at;
    }
    return edges_.end();
}

std::size_t intake::capacity() const {
    if (options_.pacing == pacing::live) return 1;
    const auto going_on = std::count_if(edges_.begin(), edges_.end(), [](const auto& e) { return !e.second.ended; });
    const auto sources = static_cast<std::size_t>(std::max<std::ptrdiff_t>(going_on, 1));
    return std::max(2 * options_.unit_frames, options_.waiting_frames / sources);
}

// The earliest frame of all sources, once each that goes on has shown its next.
intake::edges::iterator intake::next_in_time() {
    auto earliest = edges_.end();
    for (auto at = edges_.begin(); at != edges_.end(); ++at) {
        const edge& e = at->second;
        if (e.waiting.empty() && e.ended) continue;
        if (!ready(e)) return edges_.end();
        if (earliest == edges_.end() || e.waiting.front().pts_ns < earliest->second.waiting.front().pts_ns)
            earliest = at;
    }
    return earliest;
}

std::optional<work_unit> intake::cut_for(taker by, const std::vector<work_unit>& but) {
    if (!room_in_flight(by.device)) return std::nullopt;
    const auto at = next_in_turn(by, but);
    if (at == edges_.end()) return std::nullopt;
    devices_[by.device].turns[by.lane.value_or(0)] = at->first + 1;
    return cut(at->first, at->second);
}

// Tickets follow time, so units are cut in that order, whoever they are for. A lane that stopped at the first of another device
// would hardly ever fill a pass: sources of different devices take turns in time.
std::optional<work_unit> intake::cut_in_time_for(std::size_t device) {
    auto& aside = devices_[device].set_aside;
    while (aside.empty()) {
        if (!room_in_flight(device)) return std::nullopt;
        const auto at = next_in_time();
        if (at == edges_.end()) return std::nullopt;
        work_unit unit = cut(at->first, at->second);
        if (unit.device == device) return unit;
        device_share& other = devices_[unit.device];
        other.set_aside.push_back(std::move(unit));
        other.work.notify_all();
    }
    work_unit unit = std::move(aside.front());
    aside.pop_front();
    return unit;
}

bool intake::take_one(taker by, std::vector<work_unit>& into) {
    if (closed_) return false;
    auto unit = options_.merged ? cut_in_time_for(by.device) : cut_for(by, into);
    if (unit) into.push_back(std::move(*unit));
    return unit.has_value();
}

// Whether a source that goes on is not among the `taken` yet.
bool intake::more_to_come(taker by, std::size_t taken) const {
    return static_cast<std::size_t>(std::count_if(edges_.begin(), edges_.end(), [&](const auto& e) {
               return goes_to(e.second, by) && !e.second.ended;
           })) > taken;
}

std::vector<work_unit> intake::take(taker by, std::size_t at_most, std::chrono::nanoseconds patience) {
    std::vector<work_unit> units;
    std::unique_lock lock(mutex_);
    device_share& here = devices_[by.device];
    while (!closed_ && !take_one(by, units))
        here.work.wait(lock);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!closed_ && !units.empty() && units.size() < at_most) {
        if (take_one(by, units)) continue;
        if (patience.count() == 0 || draining_ > 0 || !more_to_come(by, units.size())) break;
        if (here.work.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    return units;
}

void intake::done(std::size_t device) {
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

void intake::wake_takers() {
    for (device_share& d : devices_)
        d.work.notify_all();
}

void intake::hurry() {
    const std::lock_guard lock(mutex_);
    // Else there will be results without it, and which frames travel together would depend on time.
    const bool comes_anyway =
        in_flight_ > 0 || std::any_of(edges_.begin(), edges_.end(), [&](const auto& e) { return ready(e.second); });
    if (comes_anyway) return;
    for (auto& [source, e] : edges_)
        e.in_a_hurry = e.waiting.size();
    wake_takers();
}

void intake::wait_idle() {
    std::unique_lock lock(mutex_);
    ++draining_;
    wake_takers();
    idle_.wait(lock, [&] {
        return closed_ || (in_flight_ == 0 && std::all_of(edges_.begin(), edges_.end(),
                                                          [](const auto& e) { return e.second.waiting.empty(); }));
    });
    --draining_;
}

void intake::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    wake_takers();
    room_.notify_all();
    idle_.notify_all();
}

}  // namespace faceflow::flow
