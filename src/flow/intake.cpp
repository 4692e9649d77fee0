#include "flow/intake.hpp"

#include <algorithm>

namespace faceflow::flow {

std::optional<std::size_t> intake::put(host_frame frame) {
    // Goes after the lock: with a frame ends what its owner holds, by code of the user's.
    std::vector<host_frame> overtaken;
    std::unique_lock lock(mutex_);
    edge& e = edges_[frame.id.source];
    if (options_.pacing == pacing::live) {
        while (e.waiting.size() >= capacity()) {
            overtaken.push_back(std::move(e.waiting.front()));
            e.waiting.pop_front();
        }
    } else {
        room_.wait(lock, [&] { return closed_ || e.waiting.size() < capacity(); });
    }
    if (closed_) return std::nullopt;
    e.waiting.push_back(std::move(frame));
    lock.unlock();
    work_.notify_all();
    return overtaken.size();
}

void intake::end_source(std::uint32_t source) {
    {
        const std::lock_guard lock(mutex_);
        edges_[source].ended = true;
    }
    work_.notify_all();
}

void intake::begin_source(std::uint32_t source) {
    const std::lock_guard lock(mutex_);
    edges_[source].ended = false;
}

work_unit intake::cut(std::uint32_t source, edge& e) {
    work_unit unit;
    unit.line = options_.merged ? 0 : source;
    unit.source = source;
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
    return unit;
}

// From the source whose turn it is, then around.
intake::edges::iterator intake::next_in_turn(std::size_t part, std::size_t parts, const std::vector<work_unit>& but) {
    const auto taken = [&](std::uint32_t source) {
        return options_.pacing == pacing::live &&
               std::any_of(but.begin(), but.end(), [&](const work_unit& u) { return u.source == source; });
    };
    auto at = edges_.lower_bound(turn_);
    for (std::size_t i = 0; i < edges_.size(); ++i, ++at) {
        if (at == edges_.end()) at = edges_.begin();
        if (at->first % parts != part) continue;
        if (ready(at->second) && !taken(at->first)) return at;
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

bool intake::take_one(std::size_t part, std::size_t parts, std::vector<work_unit>& into) {
    if (closed_ || in_flight_ >= options_.units_in_flight) return false;
    const auto at = options_.merged ? next_in_time() : next_in_turn(part, parts, into);
    if (at == edges_.end() || at->first % parts != part) return false;
    turn_ = at->first + 1;
    into.push_back(cut(at->first, at->second));
    ++in_flight_;
    return true;
}

// Whether a source that goes on is not among the `taken` yet.
bool intake::more_to_come(std::size_t part, std::size_t parts, std::size_t taken) const {
    return static_cast<std::size_t>(std::count_if(edges_.begin(), edges_.end(), [&](const auto& e) {
               return e.first % parts == part && !e.second.ended;
           })) > taken;
}

std::vector<work_unit> intake::take(std::size_t part, std::size_t parts, std::size_t at_most,
                                    std::chrono::nanoseconds patience) {
    std::vector<work_unit> units;
    std::unique_lock lock(mutex_);
    while (!closed_ && !take_one(part, parts, units))
        work_.wait(lock);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!closed_ && !units.empty() && units.size() < at_most) {
        if (take_one(part, parts, units)) continue;
        if (patience.count() == 0 || draining_ > 0 || !more_to_come(part, parts, units.size())) break;
        if (work_.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    lock.unlock();
    room_.notify_all();
    work_.notify_all();
    return units;
}

void intake::done() {
    {
        const std::lock_guard lock(mutex_);
        --in_flight_;
    }
    work_.notify_all();
    idle_.notify_all();
}

void intake::hurry() {
    {
        const std::lock_guard lock(mutex_);
        // Else there will be results without it, and which frames travel together would depend on time.
        const bool comes_anyway =
            in_flight_ > 0 || std::any_of(edges_.begin(), edges_.end(), [&](const auto& e) { return ready(e.second); });
        if (comes_anyway) return;
        for (auto& [source, e] : edges_)
            e.in_a_hurry = e.waiting.size();
    }
    work_.notify_all();
}

void intake::wait_idle() {
    std::unique_lock lock(mutex_);
    ++draining_;
    work_.notify_all();
    idle_.wait(lock, [&] {
        return closed_ || (in_flight_ == 0 && std::all_of(edges_.begin(), edges_.end(),
                                                          [](const auto& e) { return e.second.waiting.empty(); }));
    });
    --draining_;
}

void intake::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    work_.notify_all();
    room_.notify_all();
    idle_.notify_all();
}

}  // namespace faceflow::flow
