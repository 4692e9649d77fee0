// SPDX-License-Identifier: Apache-2.0
// Annotated pictures: each picture of a source, upright, in full resolution, with what was found drawn on it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "media/video_writer.hpp"

namespace faceflow::media {

// NAME-annotated.png for a PNG (by its content), NAME-annotated.jpg for everything else, in the order of `pictures`. A name that
// is taken, which it is then also for later calls, gets the picture's extension in front (a.webp-annotated.jpg) or a number.
[[nodiscard]] std::vector<std::string> annotated_names(const std::vector<std::string>& pictures,
                                                       std::unordered_set<std::string>& taken);

struct picture_writer_options {
    std::filesystem::path target;              // the folder that they go into, or of a single picture the file
    std::vector<std::string> pictures;         // paths as frames name them (host_frame::input)
    std::vector<std::filesystem::path> files;  // what each becomes
    bool own_folder = false;  // `target` is a folder for them alone: made, and removed where it stays empty
    std::string token;        // of parts; empty: one of its own
};

// Each picture is encoded, written beside its name, synced and named before the next one: no more than one file is open, and what
// is there is whole, however the run ends. A picture that cannot be drawn on or encoded is passed over; finish() says how many.
// PNGs keep every pixel that nothing is drawn on. Writing errors are errc::io.
[[nodiscard]] result<std::unique_ptr<video_writer>> make_picture_writer(picture_writer_options options);

}  // namespace faceflow::media
