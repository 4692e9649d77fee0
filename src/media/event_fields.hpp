// SPDX-License-Identifier: Apache-2.0
// Describes every value that is written for an event, such as a blink: the columns of events.csv, and their table in
// docs/output.md.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

#include "faceflow/types.hpp"
#include "media/field.hpp"

namespace faceflow::internal::media::fields {

// A blink and where it was seen.
struct event_row {
    const blink* what;
    const frame_faces* frame;  // with which it ended
    std::string_view input;

    static constexpr double milliseconds(std::int64_t ns) { return static_cast<double>(ns) / 1e6; }
    [[nodiscard]] constexpr std::string_view event() const { return "blink"; }
    [[nodiscard]] constexpr double onset() const { return milliseconds(what->onset_ns); }
    [[nodiscard]] constexpr double apex() const { return milliseconds(what->apex_ns); }
    [[nodiscard]] constexpr double offset() const { return milliseconds(what->offset_ns); }
};

constexpr facts describe_time(std::string_view column, std::string_view meaning) {
    return {.key = column, .unit = "ms", .decimals = 3, .meaning = meaning, .columns = {column}};
}

// In the order of columns. Add new entries at the end.
inline constexpr std::tuple of_event{
    describe<event_row, &event_row::input>(
        {.key = "input", .meaning = "path or URL of the source, as in `faces.csv`", .columns = {"input"}}),
    describe<event_row, &event_row::frame, &frame_faces::id, &frame_id::source>(
        {.key = "source", .decimals = 0, .meaning = "number of the source, from 0", .columns = {"source"}}),
    describe<event_row, &event_row::what, &blink::track>(
        {.key = "track", .decimals = 0, .meaning = "the face, as in `faces.csv`", .columns = {"track"}}),
    describe<event_row, &event_row::event>(
        {.key = "event", .meaning = "`blink`; others may follow", .columns = {"event"}}),
    describe<event_row, &event_row::onset>(describe_time(
        "onset_ms", "when the eyes began to close: on the clock of `pts`, in its thousandths, and between frames")),
    describe<event_row, &event_row::apex>(describe_time("apex_ms", "the frame in which they were least open")),
    describe<event_row, &event_row::offset>(describe_time("offset_ms", "when they were open again, between frames")),
    describe<event_row, &event_row::what, &blink::depth>(
        {.key = "depth",
         .unit = "0..1",
         .decimals = share_decimals,
         .meaning = "how far they closed: 1 - least openness / openness in the seconds before",
         .columns = {"depth"}}),
};

}  // namespace faceflow::internal::media::fields
