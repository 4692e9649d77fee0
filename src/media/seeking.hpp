// SPDX-License-Identifier: Apache-2.0
// Seeks to a start in a recording without decoding everything before it, with the same frames and times.
#pragma once

#include <optional>
#include <vector>

#include "media/demuxer.hpp"
#include "media/packet_window.hpp"

namespace faceflow::internal::media {

// Whether files of its kind stay readable when concatenated; the stated length is then that of one of them.
[[nodiscard]] bool may_be_joined(const demuxer& opened) noexcept;

// The position of the next recording in a concatenated FLV or Matroska file, after `from`: libav's readers stop at its
// header.
[[nodiscard]] std::optional<std::int64_t> next_part(demuxer& opened, std::int64_t from);

// Whether the container supports seeking to a time.
[[nodiscard]] bool can_seek(const demuxer& opened) noexcept;

// The file position of a packet where decoding can start.
struct entry_point {
    std::int64_t time_ns = 0;  // from the stream's start
    std::int64_t position = 0;
};

// Seeks to the packets at `seconds` after the stream's start, or to earlier ones; at 0 to the very first. Uses the
// entry points, if there are any: in joined recordings, a time occurs several times.
[[nodiscard]] bool seek_to(demuxer& opened, double seconds, const std::vector<entry_point>& known);

// Whether this frame and all frames shown later can be decoded from here.
[[nodiscard]] bool is_entry_point(const AVFrame& frame) noexcept;

// Where to seek next when the seek to `aimed_at` found no entry point before the start: further back each time.
// nullopt: there is nothing further back.
[[nodiscard]] std::optional<double> further_back(double aimed_at, double start) noexcept;

// Reads the packets up to `seconds` after the stream's start and collects its entry points. nullopt when its clock does
// not run evenly up to there: times then depend on everything before. Leaves the input at the position read.
[[nodiscard]] std::optional<std::vector<entry_point>> find_entry_points(demuxer& opened, double seconds,
                                                                        const packet_window::reader& read);

}  // namespace faceflow::internal::media
