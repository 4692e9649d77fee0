// SPDX-License-Identifier: Apache-2.0
#include "analysis/plan_moves.hpp"

#include <algorithm>

#include "flow/device_line.hpp"
#include "flow/flow.hpp"
#include "frame/layout.hpp"
#include "media/to_bgr.hpp"
#include "vision/records.hpp"

namespace faceflow::analysis {
namespace {

using vision::pass_results;

constexpr std::int32_t first_room = flow::room_for(0);  // before a flow has seen a frame

std::uint64_t crops(std::int32_t n) {
    return flow::mesh_memory::crops_bytes(n);
}

class mover {
public:
    explicit mover(const plan_request& r) : r_(r), buffer_(transfer_buffer_of(r)) {}

    planned_moves in_process() {
        // A frame in work is held, whatever the cache has let go of.
        up(moved_frame_bytes(r_), r_.cache ? 1 : 2);
        if (r_.cache) p_.cache_hit_rate = stays_cached(r_) ? 1 : 0;
        results_down();
        return p_;
    }

    planned_moves shared() {
        up(moved_frame_bytes(r_));
        results_down();
        return p_;
    }

    // Three processes: each is sent what it works on, and each face goes by itself. Without faces the last two are not asked.
    planned_moves copied() {
        up(moved_frame_bytes(r_));
        down_and_wait(buffer_.crops_at);
        if (r_.faces == 0) return p_;
        up(moved_frame_bytes(r_));
        up(vision::detection_set::bytes(faces()));
        down_and_wait(crops(1), r_.faces);
        landmarks_one_by_one();
        return p_;
    }

    // Two processes: a miss costs nothing here, as the frame is still held; without the cache it goes up once more.
    planned_moves cached() {
        up(moved_frame_bytes(r_), r_.cache ? 1 : 2);
        if (r_.cache) p_.cache_hit_rate = stays_cached(r_) ? 1 : 0;
        if (!r_.batch) {
            down_and_wait(buffer_.crops_at);
            if (r_.faces == 0) return p_;
            down_and_wait(crops(1), r_.faces);
            landmarks_one_by_one();
            return p_;
        }
        crops_down_in_batches();
        if (r_.faces > 0) landmarks_in_batches();
        return p_;
    }

private:
    [[nodiscard]] std::size_t faces() const { return static_cast<std::size_t>(r_.faces); }

    void up(std::uint64_t bytes, std::int64_t times = 1) { p_.all.push_back({true, bytes, times}); }
    void down(std::uint64_t bytes, std::int64_t times = 1) {
        p_.all.push_back({false, bytes, times});
        // A download into pageable memory waits for itself.
        if (!r_.pinned) p_.syncs += times;
    }
    // What the host waits for then, and only once.
    void down_and_wait(std::uint64_t bytes, std::int64_t times = 1) {
        down(bytes, times);
        if (r_.pinned) p_.syncs += times;
    }

    void results_down() {
        const std::int64_t waits = r_.pinned ? 1 : 2;
        p_.all.push_back({false, pass_results::bytes(1, flow::room_for(r_.faces)), 1});
        p_.syncs += waits;
        if (r_.faces > first_room) p_.first = {1, pass_results::bytes(1, first_room), waits};
    }

    // In goes of as many crops as go together; the first brings the faces, and guesses how many crops from the frame before.
    void crops_down_in_batches() {
        const std::int32_t at_once = buffer_.at_once, guess = std::clamp(r_.faces, 1, at_once);
        down_and_wait(buffer_.crop_at(guess));
        for (std::int32_t from = at_once; from < r_.faces; from += at_once)
            down_and_wait(crops(std::min(at_once, r_.faces - from)));
        if (guess > 1) p_.first = {1, 0, 1};
    }

    void landmarks_in_batches() {
        const std::int32_t at_once = buffer_.at_once;
        up(buffer_.crop_at(std::min(at_once, r_.faces)));
        for (std::int32_t from = at_once; from < r_.faces; from += at_once) {
            ++p_.syncs;  // until the memory that the last batch came through is free
            up(crops(std::min(at_once, r_.faces - from)));
        }
        down(pass_results::bytes(1, r_.faces));
        ++p_.syncs;
    }

    // The faces with the first crop, the header with the first record.
    void landmarks_one_by_one() {
        up(buffer_.crop_at(1));
        down_and_wait(pass_results::bytes(1, 1));
        if (r_.faces == 1) return;
        up(crops(1), r_.faces - 1);
        down_and_wait(pass_results::bytes(1, 2) - pass_results::bytes(1, 1), r_.faces - 1);
    }

    const plan_request& r_;
    const flow::transfer_buffer_layout buffer_;
    planned_moves p_;
};

}  // namespace

planned_moves moves_of(const plan_request& r) {
    mover m(r);
    switch (r.flow) {
        case flow_kind::copied: return m.copied();
        case flow_kind::cached: return m.cached();
        case flow_kind::shared: return m.shared();
        case flow_kind::threaded:
        case flow_kind::fused: break;
    }
    return m.in_process();
}

std::uint64_t moved_frame_bytes(const plan_request& r) {
    image picture;
    picture.format = r.format;
    picture.width = r.width;
    picture.height = r.height;
    if (r.flow == flow_kind::copied) picture = media::bgr_converter::target_of(picture);
    return native_bytes(picture.format, picture.width, picture.height);
}

bool stays_cached(const plan_request& r) {
    return r.cache && r.cache_ttl > 0 && moved_frame_bytes(r) <= r.cache_bytes;
}

flow::transfer_buffer_layout transfer_buffer_of(const plan_request& r) {
    return flow::transfer_buffer_layout::of({1, r.max_faces}, r.batch);
}

}  // namespace faceflow::analysis
