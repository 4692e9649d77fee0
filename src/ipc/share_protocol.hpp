// SPDX-License-Identifier: Apache-2.0
// What `faceflow share` and its clients say to one another: plain structs of fixed layout in messages (message.hpp), and one
// control page for each client. Nothing that arrives is trusted before the functions below have passed it.
//
//     client                         server
//     hello                 ->
//                           <-       welcome + the client's control page, or refusal
//                           <-       slab + its memory, read-only; again whenever there is a new one
//                           <-       frame, frame, ...
//                           <-       ended
//
// A lease is one of the client's places. Its word in the control page only grows, by turns of both sides, so that neither a
// stale message nor a client that died can harm anybody but that client:
//
//     given(s)     server, before it announces the frame with serial s in this place
//     claimed(s)   client, on reading the announcement: from here the pixels are its own to read
//     returned(s)  client, when it is through; or server, when it takes back what was not claimed (policy latest)
//
// The step from given is a compare-exchange, so that only one of the two can have taken it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "device/sharing.hpp"
#include "faceflow/result.hpp"
#include "frame/picture_facts.hpp"
#include "ipc/message.hpp"

namespace faceflow::ipc {

// Raised whenever a struct or word below, or one of share_page.hpp, changes its meaning.
inline constexpr std::uint32_t share_version = 3;

inline constexpr std::uint32_t max_share_leases = 64;
inline constexpr std::uint32_t default_share_leases = 4;

// Under find_runtime_directory(), where nobody says otherwise.
inline constexpr const char* default_share_socket = "faceflow-share.sock";

enum class share_message : std::uint16_t {
    hello = 100,  // client: share_hello
    welcome,      // server: share_welcome; descriptor: the control page
    refusal,      // server: share_refusal, then the text of the reason
    slab,         // server: share_slab; descriptor: the memory
    slab_gone,    // server: share_slab, of which only the number counts
    frame,        // server: share_frame
    ended,        // server: no body; the sources have ended
};

enum class share_policy : std::uint32_t {
    latest,  // frames that were announced but not claimed make room for newer ones
    fifo,    // frames wait in order; while all leases are out, newer ones are dropped
};

struct share_hello {
    std::uint32_t version = share_version;
    std::uint32_t leases = default_share_leases;  // wanted, 1 to max_share_leases
    share_policy policy = share_policy::latest;
    std::uint32_t unused = 0;
};

struct share_welcome {
    std::uint32_t version = share_version;
    std::uint32_t leases = 0;   // granted, at most those wanted: the page has as many words
    std::uint32_t sources = 0;  // numbered from 0
    std::uint32_t client = 0;   // the server's number for this one
};

struct share_refusal {
    std::uint32_t version = share_version;  // of the server
    errc reason = errc::internal;
};

// Slots one behind the other, in memory that is mapped once.
struct share_slab {
    std::uint32_t number = 0;  // never used twice
    std::uint32_t slots = 0;
    std::uint64_t slot_bytes = 0;
    std::uint64_t offset = 0;  // of the first slot in the memory behind the descriptor
    device_kind kind = device_kind::cpu;
    std::uint8_t unused[7] = {};
};

struct share_frame {
    std::uint64_t serial = 0;    // of this client's announcements, from 1, growing
    std::uint64_t sequence = 0;  // with `source`: the frame's id
    std::uint32_t source = 0;
    std::uint32_t place = 0;  // the lease
    std::uint32_t slab = 0;
    std::uint32_t slot = 0;
    picture_facts picture;          // its planes lie one behind the other from the slot's start, without padding
    std::int64_t pts_ns = 0;        // from the start of the source
    std::int64_t captured_ns = 0;   // CLOCK_MONOTONIC
    std::int64_t announced_ns = 0;  // CLOCK_MONOTONIC
    std::uint64_t dropped = 0;      // frames of all sources that this client has missed since it connected
};

static_assert(sizeof(share_hello) == 16 && sizeof(share_welcome) == 16 && sizeof(share_refusal) == 8 &&
                  sizeof(share_slab) == 32 && sizeof(share_frame) == 88,
              "both ends may come from different compilers: no holes, no surprises");
static_assert(std::is_trivially_copyable_v<share_frame> && std::is_trivially_copyable_v<share_slab>);

// Values of a place's word.
struct place_word {
    static constexpr std::uint64_t given(std::uint64_t serial) { return 4 * serial + 1; }
    static constexpr std::uint64_t claimed(std::uint64_t serial) { return 4 * serial + 2; }
    static constexpr std::uint64_t returned(std::uint64_t serial) { return 4 * serial + 3; }
};

// For the server. errc::unsupported for another version (the message says which), errc::corrupt for what is no hello.
[[nodiscard]] result<share_hello> read_share_hello(const message& m);

// For the client; `m` is of the kind that the name says. errc::corrupt for bodies, numbers or descriptors that cannot be.
[[nodiscard]] result<share_welcome> read_share_welcome(const message& m, std::uint32_t leases_wanted);
// The error that the server gave, as an error.
[[nodiscard]] error read_share_refusal(const message& m);
// That the slab lies in its memory is for map_sealed_memory to say.
[[nodiscard]] result<share_slab> read_share_slab(const message& m);
// `leases` of the welcome; that the slab is known and its slot large enough is for fits().
[[nodiscard]] result<share_frame> read_share_frame(const message& m, std::uint32_t leases);
// The same of one that came by another way (share_page.hpp).
[[nodiscard]] result<void> check_share_frame(const share_frame& frame, std::uint32_t leases);
// errc::corrupt when the frame does not lie in that slab.
[[nodiscard]] result<void> fits(const share_frame& frame, const share_slab& in);

}  // namespace faceflow::ipc
