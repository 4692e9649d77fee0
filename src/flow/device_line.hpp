// What every flow has for each device that it computes on: its stages and its frames.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "device/work_note.hpp"
#include "flow/flow.hpp"
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

// Where the faces of a source's next frame are looked for, if that one is not detected in.
class followed_faces {
public:
    [[nodiscard]] static result<followed_faces> create(device& on, const pass_shape& shape) {
        auto memory = device_buffer::allocate(on.pool(), shape.set_bytes());
        if (!memory) return tl::unexpected(std::move(memory.error()));
        return followed_faces(std::move(*memory));
    }
    vision::detection_set* set() const { return memory_.as<vision::detection_set>(); }
    // False until a frame has been through, and after one that failed: the next is then detected in.
    bool known = false;

private:
    explicit followed_faces(device_buffer memory) : memory_(std::move(memory)) {}
    device_buffer memory_;
};

// Faces that a pass should make room for when there are `faces` of them.
[[nodiscard]] inline std::int32_t room_for(std::int32_t faces, std::int32_t mesh_faces = mesh_batch) {
    return (std::max(faces, 1) + mesh_faces - 1) / mesh_faces * mesh_faces;
}

}  // namespace faceflow::flow
