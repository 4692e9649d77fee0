// SPDX-License-Identifier: Apache-2.0
// What the owner of a flow and its stage processes say to one another: plain structs of fixed layout, and JSON once at the
// start. Nothing that arrives is trusted before check() has passed it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/stage.hpp"
#include "device/device.hpp"
#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "flow/stages/workspace.hpp"
#include "frame/picture_facts.hpp"

namespace faceflow::flow {

// Raised whenever a struct below changes its meaning; the program's version is compared beside it.
inline constexpr std::uint32_t stage_protocol = 5;

// Pixels of the largest picture, or crops of the most faces.
inline constexpr std::uint64_t max_stage_payload = std::uint64_t{1} << 31;

enum class stage_role : std::uint8_t { detect, region, landmark, detect_region };
[[nodiscard]] std::string_view name(stage_role role) noexcept;
[[nodiscard]] result<stage_role> find_role(std::string_view wanted);

enum class stage_message : std::uint16_t {
    hello = 1,  // owner: JSON, the control pages
    ready,      // stage: JSON
    map,        // owner: slab_facts, the slab's memory
    unmap,      // owner: slab_facts
    call,       // owner: stage_call, then detections; payload: pixels or crops
    reply,      // stage: stage_reply, then slices; payload: detections, crops, records or the text of an error
    account,    // owner: asks for a reply with what was counted and done since the last one
};

// Slots that were exported under a number of the owner's.
struct slab_facts {
    std::uint32_t number = 0;
    std::uint32_t slots = 0;
    std::uint64_t slot_bytes = 0;
    memory_location where;  // of all of them; the descriptor comes beside it
};

inline constexpr std::uint32_t no_slab = UINT32_MAX;

struct slot_name {
    std::uint32_t slab = no_slab;
    std::uint32_t slot = 0;
    std::uint64_t generation = 0;
    friend bool operator==(const slot_name&, const slot_name&) = default;
};

// One frame for one stage.
struct stage_call {
    std::uint64_t serial = 0;  // of the flow's line, growing
    std::uint64_t sequence = 0;
    std::uint32_t source = 0;
    std::uint32_t detections = 0;  // that follow in the body
    picture_facts picture;
    std::uint8_t detect = 1;         // 0: start from the detections given
    std::uint8_t keeps_tracked = 0;  // leave where the faces are for the next frame of the source
    std::uint8_t from_tracked = 0;   // shared: the faces are those left by the frame before
    std::uint8_t unused[1] = {};
    std::uint32_t crops = 0;  // in the payload
    // shared: where the memory is, and what comes before.
    std::uint32_t buffer = 0;
    std::int32_t first = 0, end = 0;  // landmark: faces [first, end)
    std::uint32_t wait_buffer = 0;    // from_tracked: the landmark stage is through with that buffer's serial
    std::uint64_t wait_serial = 0;
    slot_name frame, memory, tracked;
};

// What a stage process did since its last reply.
struct stage_counters {
    struct moved {
        std::uint64_t count = 0, bytes = 0, pinned_count = 0, pinned_bytes = 0;
    };
    std::array<std::array<moved, stage_count>, 2> transfers{};  // by direction, stage
    std::array<std::uint64_t, stage_count> syncs{};
    std::array<std::uint64_t, 2> link_ns{};  // by direction; see ledger::charge_link
    std::array<std::uint64_t, stage_count> runs{}, nanoseconds{};
    std::uint64_t hits = 0, misses = 0, evictions = 0, expirations = 0;  // of its frame cache
    std::uint64_t peak_bytes = 0;                                        // of its device pool, ever
    std::uint64_t stale = 0;   // calls about a use that was over, which it refused
    std::uint64_t leases = 0;  // now, those of its frame cache left out
    transfer_totals seen;      // with verify_ledger: what the device itself counted
};

// What a stage process did on one frame, or moved for it, in nanoseconds of the clock that all processes share. Only told where
// there is a trace.
enum class slice_kind : std::uint8_t { work, upload, download };
struct stage_slice {
    std::uint64_t sequence = 0;
    std::uint32_t source = 0;
    std::uint8_t at = 0;  // a stage
    slice_kind what = slice_kind::work;
    std::uint8_t pinned = 0;
    std::uint8_t unused[1] = {};
    std::uint64_t bytes = 0;  // moved
    std::int64_t enqueued = 0, begin = 0, end = 0;
};
inline constexpr std::uint32_t max_slices = 4096;  // beside one reply

struct stage_reply {
    std::uint64_t serial = 0;
    std::uint32_t status = 0;      // 0, or 1 + errc: the payload is then the message
    std::uint32_t detections = 0;  // in the payload, first
    std::uint32_t crops = 0;       // in the payload, after them
    std::uint32_t records = 0;     // in the payload, after a result_header
    std::uint32_t slices = 0;      // that follow in the body
    std::uint32_t unused = 0;
    slot_name frame, memory;  // of a call that was taken: the uses that it named
    stage_counters counters;
};

static_assert(std::is_trivially_copyable_v<stage_call> && std::is_trivially_copyable_v<stage_reply> &&
              std::is_trivially_copyable_v<slab_facts> && std::is_trivially_copyable_v<stage_slice>);

// Semaphores of a stage's control page: two for each buffer.
struct page_semaphores {
    static constexpr std::size_t beat = 0;  // grows as the stage works: what the watchdog looks at
    // The device has passed the stage's work on the call with that serial, done or not.
    static constexpr std::size_t passed(std::uint32_t buffer) { return 1 + 2 * std::size_t{buffer}; }
    // ... and it was done.
    static constexpr std::size_t done(std::uint32_t buffer) { return 2 + 2 * std::size_t{buffer}; }
    static constexpr std::size_t count(std::uint32_t buffers) { return 1 + 2 * std::size_t{buffers}; }
};

// How the memory of a place is laid out; the same in all processes, or they do not talk.
struct buffer_layout {
    std::uint64_t faces = 0, results = 0, crops = 0, bytes = 0;
    [[nodiscard]] static buffer_layout of(const pass_shape& shape);
    friend bool operator==(const buffer_layout&, const buffer_layout&) = default;
};

inline constexpr std::uint32_t max_in_flight = 8;

// Faces that came with a call: errc::corrupt for numbers that no face near a picture has (not finite, or beyond a million).
[[nodiscard]] result<void> check(std::span<const vision::detection> faces);

// The JSON of hello.
struct stage_hello {
    stage_role role = stage_role::detect;
    options chosen;
    int device_index = 0;
    std::uint32_t buffers = 0;  // 0: nothing is shared
    bool tracing = false;       // the owner draws what the stage does

    // That it computes with. Recorded, all stages run side by side and each keeps to one; live, the one in work has all cores.
    [[nodiscard]] std::int32_t threads() const noexcept {
        return chosen.pacing == pacing::live ? std::max(1, chosen.threads) : 1;
    }
};
[[nodiscard]] std::string to_json(const stage_hello& hello);
// errc::unsupported when the two ends are not of one version or lay memory out differently: the message says which.
[[nodiscard]] result<stage_hello> read_hello(std::string_view text);

}  // namespace faceflow::flow
