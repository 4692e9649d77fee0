// SPDX-License-Identifier: Apache-2.0
// Rows of what was found: faces.ndjson and faces.csv. What is in them stands in media/face_fields.hpp.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/try.hpp"
#include "core/output_file.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "media/record_reader.hpp"

namespace faceflow::media {

// Writes frames in the order it gets them, each of them whole. The same frames give the same bytes, on any machine and in any
// locale. One thread at a time writes. Errors are those of the file (see core/output_file.hpp).
class result_writer {
public:
    virtual ~result_writer() = default;

    // The frame's rows; none where it has nothing to tell. `input` names where it came from: the path or URL of its source, or of the
    // picture itself for a folder of pictures. It need not be valid UTF-8; bytes that are not become U+FFFD. Any thread.
    [[nodiscard]] virtual std::string rows_of(const frame_faces& frame, std::string_view input) const = 0;

    // What rows_of gave, in the order of frames. A format that gathers the rows of many frames does so here.
    [[nodiscard]] virtual result<void> append(std::string_view rows) {
        return rows.empty() ? result<void>() : file_.append(rows);
    }
    [[nodiscard]] result<void> write(const frame_faces& frame, std::string_view input) {
        return append(rows_of(frame, input));
    }

    // Ends the file and gives it its name; the path that it got.
    [[nodiscard]] result<std::filesystem::path> commit() {
        FACEFLOW_TRY(end());
        return file_.commit();
    }

    // To flush, sync, discard or keep what was written.
    [[nodiscard]] output_file& file() noexcept { return file_; }

protected:
    explicit result_writer(output_file file) : file_(std::move(file)) {}
    // Writes what stands behind the last row.
    [[nodiscard]] virtual result<void> end() { return {}; }

    output_file file_;
};

// Each format has a maker, and finds the rows that are whole in a file of its own that was cut off anywhere. A row in
// media/row_formats.cpp makes one known.

// JSON Lines: one object per frame, with or without faces.
[[nodiscard]] result<std::unique_ptr<result_writer>> make_ndjson_writer(const std::filesystem::path& path,
                                                                        output_options options = {});
[[nodiscard]] whole_rows find_whole_lines(int descriptor);

// RFC 4180 with a header: one record per face; a frame without faces leaves none.
[[nodiscard]] result<std::unique_ptr<result_writer>> make_csv_writer(const std::filesystem::path& path,
                                                                     output_options options = {});
[[nodiscard]] whole_rows find_whole_csv(int descriptor);

}  // namespace faceflow::media
