// SPDX-License-Identifier: Apache-2.0
// Writes rows of results: faces.ndjson, faces.csv and events.csv. media/face_fields.hpp and media/event_fields.hpp
// describe their content.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/output_file.hpp"
#include "core/try.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "media/field.hpp"
#include "media/record_reader.hpp"

namespace faceflow::internal::media {

// What the faces of a run have beyond what all have; a table begins with its columns.
struct row_contents {
    bool blendshapes = false;
    bool openface = false;
    bool changes = false;

    [[nodiscard]] constexpr bool has(fields::extra e) const noexcept {
        switch (e) {
            case fields::extra::none: break;
            case fields::extra::blendshapes: return blendshapes;
            case fields::extra::openface: return openface;
            case fields::extra::changes: return changes;
        }
        return true;
    }
};

// The frame's line of faces.ndjson, with the end of line; see result_writer::rows_of.
[[nodiscard]] std::string ndjson_row(const frame_faces& frame, std::string_view input, const row_contents& of = {});

// Writes frames whole and in the order given. Deterministic: the same frames give the same bytes on any machine and in
// any locale. Write from one thread at a time. Errors are those of the file (see core/output_file.hpp).
class result_writer {
public:
    virtual ~result_writer() = default;

    // The frame's rows; empty if the format writes none for it. `input`: the path or URL of its source, or the
    // picture's own path for a folder of pictures. It need not be valid UTF-8; invalid bytes become U+FFFD. Any thread.
    [[nodiscard]] virtual std::string rows_of(const frame_faces& frame, std::string_view input) const = 0;

    // Appends the result of rows_of, in the order of frames. Formats that combine the rows of many frames do so here.
    [[nodiscard]] virtual result<void> append(std::string_view rows) {
        return rows.empty() ? result<void>() : file_.append(rows);
    }
    [[nodiscard]] result<void> write(const frame_faces& frame, std::string_view input) {
        return append(rows_of(frame, input));
    }

    // Finishes and renames the file; returns its path.
    [[nodiscard]] result<std::filesystem::path> commit() {
        FACEFLOW_TRY(end());
        return file_.commit();
    }

    // For flush, sync, discard and keep.
    [[nodiscard]] output_file& file() noexcept { return file_; }

protected:
    explicit result_writer(output_file file) : file_(std::move(file)) {}
    // Writes what follows the last row.
    [[nodiscard]] virtual result<void> end() { return {}; }

    output_file file_;
};

// Each format has a maker, and a function that finds the whole rows in its file, which may be cut off anywhere. A row
// in media/row_formats.cpp registers a format.

// JSON Lines: one object per frame, with or without faces.
[[nodiscard]] result<std::unique_ptr<result_writer>> make_ndjson_writer(const std::filesystem::path& path,
                                                                        output_options options = {},
                                                                        const row_contents& of = {});
[[nodiscard]] whole_rows find_whole_lines(int descriptor);

// RFC 4180 with a header: one record per face; a frame without faces has none.
[[nodiscard]] result<std::unique_ptr<result_writer>> make_csv_writer(const std::filesystem::path& path,
                                                                     output_options options = {},
                                                                     const row_contents& of = {});
[[nodiscard]] whole_rows find_whole_csv(int descriptor);

// The same for events: one record per event, in the frame with which it ended.
[[nodiscard]] result<std::unique_ptr<result_writer>> make_event_writer(const std::filesystem::path& path,
                                                                       output_options options = {},
                                                                       const row_contents& of = {});

}  // namespace faceflow::internal::media
