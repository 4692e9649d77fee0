// SPDX-License-Identifier: Apache-2.0
// The protocol between `faceflow share` and its clients: plain structs of fixed layout in messages (message.hpp), and
// one control page per client. Received data is not trusted before the functions below have accepted it.
//
//     client                         server
//     hello                 ->
//                           <-       welcome + the client's control page, or refusal
//                           <-       slab + its memory, read-only; again for each new slab
//                           <-       frame, frame, ...
//                           <-       ended
//
// A lease is one of the client's places. Its word in the control page only grows, and both sides change it in turns, so
// a stale message or a dead client can harm no other client:
//
//     given(s)     server, before it announces the frame with serial s in this place
//     claimed(s)   client, on reading the announcement: from here on it may read the pixels
//     returned(s)  client, when it is done; or server, when it takes back an unclaimed frame (policy latest)
//
// The step from given is a compare-exchange, so that only one side can take it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "device/sharing.hpp"
#include "faceflow/result.hpp"
#include "frame/picture_facts.hpp"
#include "ipc/message.hpp"

namespace faceflow::internal::ipc {

// Incremented whenever a struct or word below, or in share_page.hpp, changes its meaning.
inline constexpr std::uint32_t share_version = 3;

inline constexpr std::uint32_t max_share_leases = 64;
inline constexpr std::uint32_t default_share_leases = 4;

// In find_runtime_directory(), unless a path is given.
inline constexpr const char* default_share_socket = "faceflow-share.sock";

enum class share_message : std::uint16_t {
    hello = 100,  // client: share_hello
    welcome,      // server: share_welcome; descriptor: the control page
    refusal,      // server: share_refusal, then the text of the reason
    slab,         // server: share_slab; descriptor: the memory
    slab_gone,    // server: share_slab; only its number is used
    frame,        // server: share_frame
    ended,        // server: no body; the sources have ended
};

enum class share_policy : std::uint32_t {
    latest,  // announced but unclaimed frames make room for newer ones
    fifo,    // frames wait in order; while all leases are held, newer ones are dropped
};

struct share_hello {
    std::uint32_t version = share_version;
    std::uint32_t leases = default_share_leases;  // requested, 1 to max_share_leases
    share_policy policy = share_policy::latest;
    std::uint32_t unused = 0;
};

struct share_welcome {
    std::uint32_t version = share_version;
    std::uint32_t leases = 0;   // granted, at most those requested: the page has as many words
    std::uint32_t sources = 0;  // numbered from 0
    std::uint32_t client = 0;   // the server's number for this client
};

struct share_refusal {
    std::uint32_t version = share_version;  // of the server
    errc reason = errc::internal;
};

// Consecutive slots, in memory that is mapped once.
struct share_slab {
    std::uint32_t number = 0;  // never reused
    std::uint32_t slots = 0;
    std::uint64_t slot_bytes = 0;
    std::uint64_t offset = 0;  // of the first slot within the memory behind the descriptor
    device_kind kind = device_kind::cpu;
    std::uint8_t unused[7] = {};
};

struct share_frame {
    std::uint64_t serial = 0;    // counts this client's announcements from 1
    std::uint64_t sequence = 0;  // together with `source`, the frame id
    std::uint32_t source = 0;
    std::uint32_t place = 0;  // the lease
    std::uint32_t slab = 0;
    std::uint32_t slot = 0;
    picture_facts picture;          // its planes lie one after another from the slot's start, without padding
    std::int64_t pts_ns = 0;        // from the start of the source
    std::int64_t captured_ns = 0;   // CLOCK_MONOTONIC
    std::int64_t announced_ns = 0;  // CLOCK_MONOTONIC
    std::uint64_t dropped = 0;      // frames of all sources that this client has missed since it connected
};

static_assert(sizeof(share_hello) == 16 && sizeof(share_welcome) == 16 && sizeof(share_refusal) == 8 &&
                  sizeof(share_slab) == 32 && sizeof(share_frame) == 88,
              "both ends may come from different compilers: no holes, no surprises");
static_assert(std::is_trivially_copyable_v<share_frame> && std::is_trivially_copyable_v<share_slab>);

// The values of a place's word.
struct place_word {
    static constexpr std::uint64_t given(std::uint64_t serial) { return 4 * serial + 1; }
    static constexpr std::uint64_t claimed(std::uint64_t serial) { return 4 * serial + 2; }
    static constexpr std::uint64_t returned(std::uint64_t serial) { return 4 * serial + 3; }
};

// For the server. errc::unsupported for another version (the message says which), errc::corrupt for an invalid hello.
[[nodiscard]] result<share_hello> read_share_hello(const message& m);

// For the client; `m` must be of the kind in the function's name. errc::corrupt for an invalid body, number or
// descriptor.
[[nodiscard]] result<share_welcome> read_share_welcome(const message& m, std::uint32_t leases_wanted);
// The server's refusal as an error.
[[nodiscard]] error read_share_refusal(const message& m);
// map_sealed_memory checks that the slab lies within its memory.
[[nodiscard]] result<share_slab> read_share_slab(const message& m);
// `leases`: of the welcome. fits() checks that the slab is known and its slot large enough.
[[nodiscard]] result<share_frame> read_share_frame(const message& m, std::uint32_t leases);
// The same check for a frame received through share_page.hpp.
[[nodiscard]] result<void> check_share_frame(const share_frame& frame, std::uint32_t leases);
// errc::corrupt unless the frame lies in that slab.
[[nodiscard]] result<void> fits(const share_frame& frame, const share_slab& in);

}  // namespace faceflow::internal::ipc
