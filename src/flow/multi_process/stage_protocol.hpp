// SPDX-License-Identifier: Apache-2.0
// The protocol between the owner of a flow and its stage processes: plain structs of fixed layout, and JSON once at the
// start. Received data is not trusted before check() has accepted it.
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

namespace faceflow::internal::flow {

// Incremented whenever a struct below changes its meaning; the program's version is compared too.
inline constexpr std::uint32_t stage_protocol = 6;

// Enough for the pixels of the largest picture, or the crops of the most faces.
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
    account,    // owner: requests a reply with what was counted and done since the last one
};

// An exported slab, under the owner's number.
struct slab_facts {
    std::uint32_t number = 0;
    std::uint32_t slots = 0;
    std::uint64_t slot_bytes = 0;
    memory_location where;  // of the whole slab; the descriptor is sent beside it
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
    std::uint64_t serial = 0;  // grows within the pipeline
    std::uint64_t sequence = 0;
    std::uint32_t source = 0;
    std::uint32_t detections = 0;  // number that follows in the body
    picture_facts picture;
    std::uint8_t detect = 1;  // 0: the faces are those that are followed
    std::uint8_t begins = 1;  // nothing is followed into the frame
    std::uint8_t unused[2] = {};
    std::uint32_t crops = 0;  // number in the payload
    // shared: the memory, and the work to wait for.
    std::uint32_t buffer = 0;
    std::int32_t first = 0, end = 0;  // landmark: faces [first, end)
    // if not `begins`: wait until the landmark stage has passed wait_serial of this buffer
    std::uint32_t wait_buffer = 0;
    std::uint64_t wait_serial = 0;
    slot_name frame, memory;
    slot_name tracked;  // the faces that the source is followed by; no slab: a picture of its own
};

// What a stage process counted since its last reply.
struct stage_counters {
    struct moved {
        std::uint64_t count = 0, bytes = 0, pinned_count = 0, pinned_bytes = 0;
    };
    std::array<std::array<moved, stage_count>, 2> transfers{};  // by direction, stage
    std::array<std::uint64_t, stage_count> syncs{};
    std::array<std::uint64_t, 2> link_ns{};  // by direction; see ledger::charge_link
    std::array<std::uint64_t, stage_count> runs{}, nanoseconds{};
    std::uint64_t hits = 0, misses = 0, evictions = 0, expirations = 0;  // of its frame cache
    std::uint64_t peak_bytes = 0;                                        // of its device pool, since its start
    std::uint64_t stale = 0;                                             // refused calls about a use that is over
    std::uint64_t leases = 0;                                            // held now, without those of its frame cache
    transfer_totals seen;  // with verify_ledger: transfers that the device itself counted
};

// Work or a transfer of a stage process for one frame, in nanoseconds of the clock that all processes share. Sent only
// if there is a trace.
enum class slice_kind : std::uint8_t { work, upload, download };
struct stage_slice {
    std::uint64_t sequence = 0;
    std::uint32_t source = 0;
    std::uint8_t at = 0;  // a stage
    slice_kind what = slice_kind::work;
    std::uint8_t pinned = 0;
    std::uint8_t unused[1] = {};
    std::uint64_t bytes = 0;  // transferred
    std::int64_t enqueued = 0, begin = 0, end = 0;
};
inline constexpr std::uint32_t max_slices = 4096;  // limit per reply

struct stage_reply {
    std::uint64_t serial = 0;
    std::uint32_t status = 0;      // 0, or 1 + errc: the payload is then the message
    std::uint32_t detections = 0;  // first in the payload
    std::uint32_t crops = 0;       // in the payload, after the detections
    std::uint32_t records = 0;     // in the payload, after a result_header
    std::uint32_t slices = 0;      // number that follows in the body
    std::uint32_t unused = 0;
    slot_name frame, memory;  // of an accepted call: the uses that it named
    stage_counters counters;
};

static_assert(std::is_trivially_copyable_v<stage_call> && std::is_trivially_copyable_v<stage_reply> &&
              std::is_trivially_copyable_v<slab_facts> && std::is_trivially_copyable_v<stage_slice>);

// The semaphores of a stage's control page: a beat, and two per buffer.
struct page_semaphores {
    static constexpr std::size_t beat = 0;  // grows as the stage makes progress; read by the watchdog
    // The device has passed the stage's work on the call with that serial, whether done or skipped.
    static constexpr std::size_t passed(std::uint32_t buffer) { return 1 + 2 * std::size_t{buffer}; }
    // ... and the work was done.
    static constexpr std::size_t done(std::uint32_t buffer) { return 2 + 2 * std::size_t{buffer}; }
    static constexpr std::size_t count(std::uint32_t buffers) { return 1 + 2 * std::size_t{buffers}; }
};

// The memory layout of a buffer; all processes must agree on it, or they refuse to talk.
struct buffer_layout {
    std::uint64_t faces = 0, results = 0, crops = 0, bytes = 0;
    [[nodiscard]] static buffer_layout of(const pass_shape& shape);
    friend bool operator==(const buffer_layout&, const buffer_layout&) = default;
};

// The slot of the faces that a source is followed by. No smaller than a mapping that is worth a descriptor.
[[nodiscard]] inline std::size_t tracked_slot_bytes(const pass_shape& shape) {
    return std::max<std::size_t>(shape.set_bytes(), 64 << 10);
}

inline constexpr std::uint32_t max_in_flight = 8;

// Checks faces that came with a call: errc::corrupt for values that no face near a picture has (not finite, or beyond a
// million).
[[nodiscard]] result<void> check(std::span<const vision::detection> faces);

// The content of a hello message, sent as JSON.
struct stage_hello {
    stage_role role = stage_role::detect;
    options chosen;
    int device_index = 0;
    std::uint32_t buffers = 0;  // 0: no shared memory
    bool tracing = false;       // the owner draws the stage's slices

    // Threads that the stage computes with: a source is in one stage at a time, so that stage uses all cores.
    [[nodiscard]] std::int32_t threads() const noexcept { return std::max(1, chosen.threads); }
};
[[nodiscard]] std::string to_json(const stage_hello& hello);
// errc::unsupported when the two ends differ in version or memory layout: the message says which.
[[nodiscard]] result<stage_hello> read_hello(std::string_view text);

}  // namespace faceflow::internal::flow
