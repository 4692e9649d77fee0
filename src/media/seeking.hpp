// SPDX-License-Identifier: Apache-2.0
// Getting to a later start of a recording without decoding all that lies before, and with the same frames and times.
#pragma once

#include <optional>
#include <vector>

#include "media/demuxer.hpp"
#include "media/packet_window.hpp"

namespace faceflow::media {

// Whether files of its kind stay readable when one is put behind the other; the length is that of one of them then.
[[nodiscard]] bool may_be_joined(const demuxer& opened) noexcept;

// Where a recording begins that was put behind another in an FLV or Matroska file, beyond `from`: libav's readers stop at its header.
[[nodiscard]] std::optional<std::int64_t> next_part(demuxer& opened, std::int64_t from);

// Whether the container can be asked to go to a time.
[[nodiscard]] bool can_seek(const demuxer& opened) noexcept;

// Where in the file a packet lies that decoding may begin with.
struct entry_point {
    std::int64_t time_ns = 0;  // from the stream's start
    std::int64_t position = 0;
};

// Goes to the packets of `seconds` after the stream's start, or to some before them; at 0 to the very first. By the entry points, where
// there are any: in joined recordings a time lies in several places.
[[nodiscard]] bool seek_to(demuxer& opened, double seconds, const std::vector<entry_point>& known);

// Whether frames can be decoded right from this one on, all that are shown later.
[[nodiscard]] bool is_entry_point(const AVFrame& frame) noexcept;

// Where a search that aimed at a time goes next when it found no entry point before the start: further back each time. nullopt: there
// is nothing further back.
[[nodiscard]] std::optional<double> further_back(double aimed_at, double start) noexcept;

// Reads the packets up to `seconds` after the stream's start, and notes down its entry points. nullopt when its clock does not run
// evenly up to there: times then hang on all that came before. Leaves the input where it read to.
[[nodiscard]] std::optional<std::vector<entry_point>> find_entry_points(demuxer& opened, double seconds,
                                                                        const packet_window::reader& read);

}  // namespace faceflow::media
