// SPDX-License-Identifier: Apache-2.0
// Writes annotated pictures: each picture of a source, upright, in full resolution, with its faces drawn on it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "media/video_writer.hpp"

namespace faceflow::internal::media {

// NAME-annotated.png for a PNG (by its content), NAME-annotated.jpg for anything else, in the order of `pictures`. A
// taken name gets the picture's extension in front (a.webp-annotated.jpg) or a number. Adds the names to `taken`.
[[nodiscard]] std::vector<std::string> annotated_names(const std::vector<std::string>& pictures,
                                                       std::unordered_set<std::string>& taken);

struct picture_writer_options {
    std::filesystem::path target;              // the folder for the pictures; for a single picture, the file
    std::vector<std::string> pictures;         // paths as in host_frame::input
    std::vector<std::filesystem::path> files;  // the target of each
    bool own_folder = false;  // `target` is a folder only for them: created, and removed if it stays empty
    std::string token;        // of parts; empty: a new one
};

// Each picture is encoded, written beside its name, synced and renamed before the next: only one file is open at a
// time, and every file is complete however the run ends. A picture that cannot be drawn on or encoded is skipped;
// finish() reports how many. PNGs keep every pixel without drawing exactly. Writing errors are errc::io.
[[nodiscard]] result<std::unique_ptr<video_writer>> make_picture_writer(picture_writer_options options);

}  // namespace faceflow::internal::media
