// SPDX-License-Identifier: Apache-2.0
// Where the annotated videos and pictures of a run go.
#pragma once

#include <filesystem>
#include <vector>

#include "faceflow/result.hpp"
#include "media/source.hpp"

namespace faceflow {

// What one source's frames become.
struct annotated_target {
    std::filesystem::path target;                 // a video, a picture, or a folder of pictures
    std::vector<std::filesystem::path> pictures;  // of a source of pictures, in its order
};

// By source: annotated.mp4, or for pictures NAME-annotated.jpg and a folder named like the video would be.
[[nodiscard]] std::vector<annotated_target> name_annotated(const std::filesystem::path& out,
                                                           const std::vector<const media::source_info*>& sources);

// errc::invalid_argument when one of the pictures to write is a file that is read, by whatever name. Looks at each once.
[[nodiscard]] result<void> refuse_pictures_among_inputs(const std::vector<annotated_target>& annotated,
                                                        const std::vector<const media::source_info*>& sources);

}  // namespace faceflow
