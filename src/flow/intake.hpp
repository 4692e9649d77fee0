// The way into a flow: frames of several sources wait here, each source on its own bounded edge, until a lane takes them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "faceflow/options.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::flow {

// Frames that one lane works on in a row, the first of them with a detection when `detect_first` says so.
struct work_unit {
    std::uint32_t line = 0;  // the order that the ticket belongs to: the source's own, or 0 when sources are merged
    std::uint32_t source = 0;
    std::uint64_t ticket = 0;  // counts up within its line, without gaps
    bool detect_first = true;
    std::vector<host_frame> frames;
};

struct intake_options {
    faceflow::pacing pacing = faceflow::pacing::recorded;
    // Recorded: detect_every frames travel together, since all but the first start from the one before. Fewer where the source
    // has ended, or somebody waits for them.
    std::size_t unit_frames = 1;
    std::size_t detect_every = 1;
    bool merged = false;  // recorded: units of all sources in one order, by time and then source, the same in every run
    std::size_t units_in_flight = 4;  // taken and not yet done: bounds what waits for a slow lane
    // Recorded: frames that may wait in all, shared out among the sources that go on; at least two units of each.
    std::size_t waiting_frames = 0;
};

// Thread-safe. Recorded: put waits for room. Live: put keeps the newest frame. A lane that starts from a source's last
// result must be the only one that takes from it: see the parts of `take`.
class intake {
public:
    explicit intake(intake_options options) : options_(options) {}

    // A merged intake waits for every source that has begun and not ended.
    void begin_source(std::uint32_t source);
    // The number of frames that made room for this one (0 or 1), or nullopt when closed.
    std::optional<std::size_t> put(host_frame frame);
    void end_source(std::uint32_t source);

    // Waits for work of the sources whose number modulo `parts` is `part`; nothing when closed. Up to `at_most` units that are
    // there; when there are fewer, waits up to `patience` more for those of other sources. Live: one of each source at most.
    std::vector<work_unit> take(std::size_t part, std::size_t parts, std::size_t at_most = 1,
                                std::chrono::nanoseconds patience = std::chrono::nanoseconds(0));
    // The outcomes of one unit have been handled.
    void done();
    // Where nothing is in work and no unit is full, what waits goes as it is: somebody waits for the results.
    void hurry();
    // Waits until nothing that was put is without its outcome; what is put meanwhile goes in units as it comes.
    void wait_idle();
    void close();

private:
    struct edge {
        std::deque<host_frame> waiting;
        std::uint64_t next_ticket = 0, taken_frames = 0;
        std::size_t in_a_hurry = 0;  // of those that wait, the oldest
        bool ended = false;
    };
    using edges = std::map<std::uint32_t, edge>;
    // Frames of a source that may wait.
    [[nodiscard]] std::size_t capacity() const;
    [[nodiscard]] bool ready(const edge& e) const {
        if (e.waiting.empty()) return false;
        return options_.pacing == pacing::live || e.ended || draining_ > 0 || e.in_a_hurry > 0 ||
               e.waiting.size() >= options_.unit_frames;
    }
    edges::iterator next_in_turn(std::size_t part, std::size_t parts, const std::vector<work_unit>& but);
    edges::iterator next_in_time();
    bool take_one(std::size_t part, std::size_t parts, std::vector<work_unit>& into);
    bool more_to_come(std::size_t part, std::size_t parts, std::size_t taken) const;
    work_unit cut(std::uint32_t source, edge& e);

    const intake_options options_;
    std::mutex mutex_;
    std::condition_variable room_, work_, idle_;
    edges edges_;
    std::uint64_t merged_ticket_ = 0;
    std::uint32_t turn_ = 0;  // source to look at first: round robin
    std::size_t in_flight_ = 0;
    int draining_ = 0;  // who waits for it to be idle
    bool closed_ = false;
};

}  // namespace faceflow::flow
