// SPDX-License-Identifier: Apache-2.0
// The entry of a flow: frames of several sources wait here, in one bounded queue per source, until a lane takes them.
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
#include "flow/io/queued_frame.hpp"
#include "flow/io/source_routes.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::internal::flow {

struct input_queue_options {
    faceflow::pacing pacing = faceflow::pacing::recorded;
    // Recorded: frames of all sources in one order, by time and then source, the same in every run.
    bool merged = false;
    // Frames per device that have left the queue and are not yet done; bounds how much waits for a slow lane. The limit
    // is per device, so that no device uses up another's share. With merged sources it bounds all devices together,
    // because results then wait for earlier ones of other devices.
    std::size_t frames_in_flight = 4;
    // Recorded: frames that may wait in total, shared among active sources; at least two each.
    std::size_t waiting_frames = 0;
    // The device that already holds a frame, if any: its source goes to that device.
    std::function<std::optional<std::size_t>(const host_frame&)> lies_on = [](const host_frame&) {
        return std::nullopt;
    };
};

// Identifies a taker: it takes frames of one device. One with a lane takes those of the sources of that lane, and those
// that do not follow from one another.
struct taker {
    std::size_t device = 0;
    std::optional<std::size_t> lane = std::nullopt;
    // Takes several frames of a source at once although they follow from one another.
    bool consecutive = false;
};

// Thread-safe. Recorded: put blocks until there is room. Live: put keeps the newest frame. A frame that follows from
// its source's last result (see follows) goes to the lane where that result is: see `taker`.
class input_queue {
public:
    // `routes` outlives it. A source is assigned to its route with its first frame, or in begin_source if its load is
    // known.
    input_queue(input_queue_options options, source_routes& routes)
        : options_(std::move(options)),
          routes_(routes),
          devices_(routes.devices()) {}

    // A merged input queue waits for every source that has begun and not ended. `load`: see load_of; 0 if unknown: then
    // that of its first frame is used.
    void begin_source(std::uint32_t source, std::uint64_t load = 0);
    // The number of frames displaced by this one (0 or 1), or nullopt when closed.
    std::optional<std::size_t> put(host_frame frame);
    // Its route becomes free for other sources once its last frame was taken.
    void end_source(std::uint32_t source);

    // Blocks until there is work for the taker; empty when closed. Returns up to `at_most` frames; if fewer are ready,
    // waits up to `patience` for frames of other sources. At most one per source whose frames follow from one another,
    // unless the taker is `consecutive`: then in their order.
    // Merged: frames of other takers that come earlier in the order are set aside as claimed for them.
    std::vector<queued_frame> take(taker by, std::size_t at_most = 1,
                                   std::chrono::nanoseconds patience = std::chrono::nanoseconds(0));
    // The outcome of one frame of that device has been handled.
    void done(std::size_t device);
    // Blocks until every frame that was put has its outcome.
    void wait_idle();
    void close();

private:
    struct source_queue {
        std::deque<host_frame> waiting;
        std::uint64_t next_index = 0;
        bool ended = false;
        std::uint64_t load = 0;
        std::optional<route> to;  // set while it is assigned
    };
    using source_queues = std::map<std::uint32_t, source_queue>;
    struct claimed_frame {
        queued_frame frame;
        std::size_t lane = 0;  // of its source
    };
    struct device_share {
        std::condition_variable work;
        std::deque<claimed_frame> claimed;  // merged: frames with an assigned index, for its lanes to take
        std::size_t in_flight = 0;
        std::map<std::size_t, std::uint32_t> turns;  // by lane, the source to start from: round robin
    };

    void assign_route(std::uint32_t source, source_queue& e, const host_frame* first);
    void release_route(std::uint32_t source, source_queue& e);
    // How many frames of one source may wait.
    [[nodiscard]] std::size_t capacity() const;
    [[nodiscard]] static bool goes_to(const source_queue& e, taker by) {
        return e.to && e.to->device == by.device && (!by.lane || e.to->lane == *by.lane);
    }
    // Whether a taker that already has the frames `but` may have that one, which waits for `lane` of the taker's device.
    [[nodiscard]] static bool may_have(taker by, const std::vector<queued_frame>& but, const host_frame& f,
                                       std::size_t lane);
    [[nodiscard]] bool may_start(std::size_t device) const;
    source_queues::iterator next_in_turn(taker by, const std::vector<queued_frame>& but);
    source_queues::iterator next_in_time();
    std::optional<queued_frame> take_in_turn(taker by, const std::vector<queued_frame>& but);
    std::optional<queued_frame> take_claimed(taker by, const std::vector<queued_frame>& but);
    std::optional<queued_frame> take_in_time(taker by, const std::vector<queued_frame>& but);
    bool take_one(taker by, std::vector<queued_frame>& into);
    [[nodiscard]] bool more_to_come(taker by, std::size_t taken) const;
    queued_frame pop(std::uint32_t source, source_queue& e);
    void wake_takers();

    const input_queue_options options_;
    source_routes& routes_;
    std::mutex mutex_;
    std::condition_variable not_full_, idle_;
    std::vector<device_share> devices_;
    source_queues sources_;
    std::uint64_t merged_index_ = 0;
    std::size_t in_flight_ = 0;  // of all devices
    int draining_ = 0;           // number of wait_idle calls
    bool closed_ = false;
};

}  // namespace faceflow::internal::flow
