// SPDX-License-Identifier: Apache-2.0
// What every flow has for each device that it computes on: its stages and its frames.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "faceflow/options.hpp"
#include "flow/stages/device_context.hpp"
#include "flow/stages/face_capacity.hpp"
#include "flow/stages/stage_set.hpp"
#include "frame/frame_store.hpp"
#include "telemetry/metrics.hpp"

namespace faceflow::flow {

struct device_resources {
    stage_set stages;
    frame_store frames;
    face_capacity capacity;  // of all passes: what one of them learns, the next one knows

    // `batch`: faces that are meshed at once.
    device_resources(const device_context& d, const options& o, metrics& m, std::size_t uploads_in_flight,
                     std::int32_t batch)
        : stages(*d.device, d.models, o, m),
          frames(*d.device, store_options(o, uploads_in_flight)),
          capacity(*d.device, batch) {}

    static frame_store_options store_options(const options& o, std::size_t uploads_in_flight) {
        frame_store_options s;
        s.cache = o.tuning.cache;
        s.pinned = o.tuning.pinned;
        s.time_to_live = std::chrono::nanoseconds(static_cast<std::int64_t>(o.tuning.cache_ttl * 1e9));
        s.cache_bytes = o.tuning.cache_bytes;
        s.uploads_in_flight = uploads_in_flight;
        s.packing_threads = 1 + o.threads / 2;
        // Live: about a frame's time, then it is better to take a later one.
        s.patience = o.pacing == pacing::live ? std::chrono::milliseconds(250) : std::chrono::seconds(2);
        return s;
    }
};

// Waits for all work on the stream, whose errors are left alone: before the memory and the models that it uses go.
inline void wait_until_idle(stream& s) {
    const auto done = s.owner().make_event();
    if (!done) return;  // the device has failed: nothing runs
    s.record(**done);
    static_cast<void>(wait_until_done(s.owner(), **done, {stage::landmark, {}}));
}

}  // namespace faceflow::flow
