// SPDX-License-Identifier: Apache-2.0
// Names the annotated videos and pictures of a run.
#pragma once

#include <filesystem>
#include <vector>

#include "faceflow/result.hpp"
#include "media/source.hpp"

namespace faceflow::internal {

// Where one source's annotated frames are written.
struct annotated_target {
    std::filesystem::path target;                 // a video, a picture, or a folder of pictures
    std::vector<std::filesystem::path> pictures;  // for a source of pictures, in its order
};

// By source: annotated.mp4; or, for pictures, NAME-annotated.jpg and a folder with the video's name.
[[nodiscard]] std::vector<annotated_target> name_annotated(const std::filesystem::path& out,
                                                           const std::vector<const media::source_info*>& sources);

// errc::invalid_argument when a picture to be written is an input file, under whatever name. Checks each once.
[[nodiscard]] result<void> refuse_pictures_among_inputs(const std::vector<annotated_target>& annotated,
                                                        const std::vector<const media::source_info*>& sources);

}  // namespace faceflow::internal
