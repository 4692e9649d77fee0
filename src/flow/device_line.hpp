// What every in-process flow has for each device: its stages, its frames, and how it places sources.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>

#include "device/work_note.hpp"
#include "flow/flow.hpp"
#include "flow/intake.hpp"
#include "flow/stages.hpp"
#include "frame/frame_store.hpp"

namespace faceflow::flow {

struct device_line {
    stages work;
    frame_store frames;

    device_line(const equipped_device& d, const flow_parts& parts, std::size_t uploads_in_flight)
        : work(*d.on, d.models, parts.chosen, parts.counters),
          frames(*d.on, store_options(parts.chosen, uploads_in_flight)) {}

    static frame_store_options store_options(const options& o, std::size_t uploads_in_flight) {
        frame_store_options s;
        s.cache = o.cache;
        s.pinned = o.pinned;
        s.time_to_live = std::chrono::nanoseconds(static_cast<std::int64_t>(o.cache_ttl * 1e9));
        s.cache_bytes = o.cache_bytes;
        s.uploads_in_flight = uploads_in_flight;
        return s;
    }
};

// The intake that an in-process flow wants for these options.
[[nodiscard]] inline intake_options intake_for(const flow_parts& parts, std::size_t units_in_flight) {
    const options& o = parts.chosen;
    intake_options i;
    i.merged = parts.merged && o.pacing == pacing::recorded;
    i.pacing = o.pacing;
    i.detect_every = static_cast<std::size_t>(o.detect_every);
    i.unit_frames = o.pacing == pacing::recorded ? i.detect_every : 1;
    i.units_in_flight = units_in_flight;
    return i;
}

[[nodiscard]] inline frame_cache_counts operator+(frame_cache_counts a, const frame_cache_counts& b) {
    a.hits += b.hits;
    a.misses += b.misses;
    a.evictions += b.evictions;
    a.expirations += b.expirations;
    a.refusals += b.refusals;
    a.frames += b.frames;
    a.bytes += b.bytes;
    a.peak_bytes += b.peak_bytes;
    return a;
}

// Faces that passes should make room for when a frame has `faces` of them.
[[nodiscard]] inline std::int32_t room_for(std::int32_t faces) {
    return (std::max(faces, 1) + mesh_batch - 1) / mesh_batch * mesh_batch;
}

}  // namespace faceflow::flow
