// faces.ndjson and faces.csv: what was found, as text. docs/output.md describes every field.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"

namespace faceflow::media {

// Digits after the point, in both files.
inline constexpr int pixel_decimals = 3, score_decimals = 4, angle_decimals = 2, matrix_decimals = 5, pts_decimals = 6;

// Writes frames in the order it gets them. The same frames give the same bytes, on any machine and in any locale.
// Not thread-safe. Errors are errc::io and final: the disk is full, the folder is gone.
class result_writer {
public:
    virtual ~result_writer() = default;

    // `input` names where the frame came from: the path or URL of its source, or of the picture itself for a folder of
    // pictures. It need not be valid UTF-8; bytes that are not become U+FFFD.
    [[nodiscard]] virtual result<void> write(const frame_faces& frame, std::string_view input) = 0;

    // Flushes and puts the file in place (see core/atomic_file.hpp). Without it the destructor removes what was written.
    [[nodiscard]] virtual result<void> finish() = 0;
};

// JSON Lines: one object per frame, with or without faces.
[[nodiscard]] result<std::unique_ptr<result_writer>> make_ndjson_writer(const std::filesystem::path& path);

// RFC 4180 with a header: one record per face; a frame without faces leaves none.
[[nodiscard]] result<std::unique_ptr<result_writer>> make_csv_writer(const std::filesystem::path& path);

}  // namespace faceflow::media
