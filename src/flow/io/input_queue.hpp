// SPDX-License-Identifier: Apache-2.0
// The way into a flow: frames of several sources wait here, each source in its own bounded queue, until a lane takes them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "faceflow/options.hpp"
#include "flow/io/frame_group.hpp"
#include "flow/io/source_routes.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::flow {

struct input_queue_options {
    faceflow::pacing pacing = faceflow::pacing::recorded;
    // Recorded: detect_every frames travel together, since all but the first start from the one before. Fewer where the source
    // has ended, or somebody waits for them.
    std::size_t group_frames = 1;
    std::size_t detect_every = 1;
    // Recorded: groups of all sources in one order, by time and then source, the same in every run.
    bool merged = false;
    // Of each device, cut and not yet done: bounds what waits for a slow lane. One device cannot use up what is another's, unless
    // sources are merged: results then wait for those before them, and what is in flight is bounded for all devices together.
    std::size_t groups_in_flight = 4;
    // Recorded: frames that may wait in all, shared out among the sources that go on; at least two groups of each.
    std::size_t waiting_frames = 0;
    // The device that a frame lies on already, if it does: then its source goes there.
    std::function<std::optional<std::size_t>(const host_frame&)> lies_on = [](const host_frame&) {
        return std::nullopt;
    };
};

// Who takes groups: of one device, all sources there or those of one lane.
struct taker {
    std::size_t device = 0;
    std::optional<std::size_t> lane = std::nullopt;
};

// Thread-safe. Recorded: put waits for room. Live: put keeps the newest frame. A lane that starts from a source's last
// result must be the only one that takes from it: see `taker`.
class input_queue {
public:
    // `routes` outlives it. A source goes to its route with its first frame, or before where its load is known.
    input_queue(input_queue_options options, source_routes& routes)
        : options_(std::move(options)),
          routes_(routes),
          devices_(routes.devices()) {}

    // A merged input queue waits for every source that has begun and not ended. `load`: see load_of; 0 where not known: that of
    // its first frame.
    void begin_source(std::uint32_t source, std::uint64_t load = 0);
    // The number of frames that made room for this one (0 or 1), or nullopt when closed.
    std::optional<std::size_t> put(host_frame frame);
    // Its place is free for others once its last frame was taken.
    void end_source(std::uint32_t source);

    // Waits for work of the taker's sources; nothing when closed. Up to `at_most` groups that are there; when there are fewer, waits
    // up to `patience` more for those of other sources. Live: one of each source at most. Merged: groups of other devices that come
    // before in the order are set aside for those.
    std::vector<frame_group> take(taker by, std::size_t at_most = 1,
                                  std::chrono::nanoseconds patience = std::chrono::nanoseconds(0));
    // The outcomes of one group of that device have been handled.
    void done(std::size_t device);
    // Where nothing is in work and no group is full, what waits goes as it is: somebody waits for the results.
    void flush();
    // Waits until nothing that was put is without its outcome; what is put meanwhile goes in groups as it comes.
    void wait_idle();
    void close();

private:
    struct source_queue {
        std::deque<host_frame> waiting;
        std::uint64_t next_index = 0, taken_frames = 0;
        std::size_t flush_count = 0;  // of those that wait, the oldest
        bool ended = false;
        std::uint64_t load = 0;
        std::optional<route> to;  // while it lasts
    };
    using source_queues = std::map<std::uint32_t, source_queue>;
    struct device_share {
        std::condition_variable work;
        std::deque<frame_group> claimed;  // merged: cut for this device by a taker of another
        std::size_t in_flight = 0;
        std::map<std::size_t, std::uint32_t> turns;  // by lane, the source to look at first: round robin
    };

    void assign_route(std::uint32_t source, source_queue& e, const host_frame* first);
    void release_route(std::uint32_t source, source_queue& e);
    // Frames of a source that may wait.
    [[nodiscard]] std::size_t capacity() const;
    [[nodiscard]] bool ready(const source_queue& e) const {
        if (e.waiting.empty()) return false;
        return options_.pacing == pacing::live || e.ended || draining_ > 0 || e.flush_count > 0 ||
               e.waiting.size() >= options_.group_frames;
    }
    [[nodiscard]] static bool goes_to(const source_queue& e, taker by) {
        return e.to && e.to->device == by.device && (!by.lane || e.to->lane == *by.lane);
    }
    [[nodiscard]] bool may_start(std::size_t device) const;
    source_queues::iterator next_in_turn(taker by, const std::vector<frame_group>& but);
    source_queues::iterator next_in_time();
    std::optional<frame_group> cut_for(taker by, const std::vector<frame_group>& but);
    std::optional<frame_group> cut_in_time_for(std::size_t device);
    bool take_one(taker by, std::vector<frame_group>& into);
    [[nodiscard]] bool more_to_come(taker by, std::size_t taken) const;
    frame_group cut(std::uint32_t source, source_queue& e);
    void wake_takers();

    const input_queue_options options_;
    source_routes& routes_;
    std::mutex mutex_;
    std::condition_variable not_full_, idle_;
    std::vector<device_share> devices_;
    source_queues sources_;
    std::uint64_t merged_index_ = 0;
    std::size_t in_flight_ = 0;  // of all devices
    int draining_ = 0;           // who waits for it to be idle
    bool closed_ = false;
};

}  // namespace faceflow::flow
