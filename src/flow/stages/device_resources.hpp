// SPDX-License-Identifier: Apache-2.0
// What every flow keeps per compute device: its stages and its frames.
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

namespace faceflow::internal::flow {

struct device_resources {
    stage_set stages;
    frame_store frames;
    face_capacity capacity;  // shared by all passes, so that each learns from the others

    // `batch`: faces meshed at once.
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
        // Live: wait briefly; after that, a later frame is worth more.
        s.patience = o.pacing == pacing::live ? std::chrono::milliseconds(250) : std::chrono::seconds(2);
        return s;
    }
};

// Blocks until all work on the stream is done, before its memory and models are destroyed. Leaves the stream's errors
// in place.
inline void wait_until_idle(stream& s) {
    const auto done = s.owner().make_event();
    if (!done) return;  // the device has failed: nothing runs
    s.record(**done);
    static_cast<void>(wait_until_done(s.owner(), **done, {stage::landmark, {}}));
}

}  // namespace faceflow::internal::flow
