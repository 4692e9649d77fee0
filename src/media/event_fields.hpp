// SPDX-License-Identifier: Apache-2.0
// Describes every value that is written for an event, such as a blink or a marker: the columns of events.csv, and their
// table in docs/output.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>

#include "faceflow/types.hpp"
#include "media/field.hpp"

namespace faceflow::internal::media::fields {

// What an event does not have is not a number, which is written as nothing.
struct event_row {
    static constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

    const frame_faces* frame;  // with which it ended
    std::string_view input;
    std::string_view event;
    double onset_ms, apex_ms, offset_ms;
    double track = nothing, depth = nothing;
    std::string_view text = {};

    static constexpr double milliseconds(std::int64_t ns) { return static_cast<double>(ns) / 1e6; }
    [[nodiscard]] static event_row of(const blink& b, const frame_faces& f, std::string_view input) {
        return {&f,
                input,
                "blink",
                milliseconds(b.onset_ns),
                milliseconds(b.apex_ns),
                milliseconds(b.offset_ns),
                static_cast<double>(b.track),
                b.depth};
    }
    [[nodiscard]] static event_row of(const marker& m, const frame_faces& f, std::string_view input) {
        const double at = milliseconds(m.pts_ns);
        return {&f, input, "marker", at, at, at, nothing, nothing, m.text};
    }
};

// Makes `first_ns` time 0 of the frame and of its events; what began before it begins there.
inline void count_times_from(frame_faces& frame, std::int64_t first_ns) {
    frame.pts_ns -= first_ns;
    const auto shift = [&](std::int64_t& at) { at = std::max<std::int64_t>(0, at - first_ns); };
    for (blink& b : frame.blinks) {
        shift(b.onset_ns);
        shift(b.apex_ns);
        shift(b.offset_ns);
    }
    for (marker& m : frame.markers)
        shift(m.pts_ns);
}

constexpr facts describe_time(std::string_view column, std::string_view meaning) {
    return {.key = column, .unit = "ms", .decimals = 3, .meaning = meaning, .columns = {column}};
}

// In the order of columns. Add new entries at the end.
inline constexpr std::tuple of_event{
    describe<event_row, &event_row::input>(
        {.key = "input", .meaning = "path or URL of the source, as in `faces.csv`", .columns = {"input"}}),
    describe<event_row, &event_row::frame, &frame_faces::id, &frame_id::source>(
        {.key = "source", .decimals = 0, .meaning = "number of the source, from 0", .columns = {"source"}}),
    describe<event_row, &event_row::track>({.key = "track",
                                            .decimals = 0,
                                            .meaning = "the face, as in `faces.csv`; empty for a marker",
                                            .columns = {"track"}}),
    describe<event_row, &event_row::event>(
        {.key = "event", .meaning = "`blink`, or `marker`: what somebody said of a moment", .columns = {"event"}}),
    describe<event_row, &event_row::onset_ms>(
        describe_time("onset_ms",
                      "when the eyes began to close: on the clock of `pts`, in its thousandths, and between frames; or "
                      "the marker's frame, here and in the next two")),
    describe<event_row, &event_row::apex_ms>(describe_time("apex_ms", "the frame in which they were least open")),
    describe<event_row, &event_row::offset_ms>(describe_time("offset_ms", "when they were open again, between frames")),
    describe<event_row, &event_row::depth>(
        {.key = "depth",
         .unit = "0..1",
         .decimals = share_decimals,
         .meaning = "how far they closed: 1 - least openness / openness in the seconds before",
         .columns = {"depth"}}),
    describe<event_row, &event_row::text>({.key = "text", .meaning = "of a marker", .columns = {"text"}}),
};

}  // namespace faceflow::internal::media::fields
