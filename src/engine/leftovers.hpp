// SPDX-License-Identifier: Apache-2.0
// Finds files that killed runs left in a folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace faceflow::internal {

struct leftover {
    std::filesystem::path part;
    std::string name;   // its final name
    std::string token;  // the token of its run
    bool live = false;  // a running process still writes it
};

// Whether a run could give this name to an annotated picture.
[[nodiscard]] bool is_annotated_picture(const std::string& name);

// Finds unfinished outputs of runs in the folder or in a folder of pictures in it, ordered by run and name. Read-only.
[[nodiscard]] std::vector<leftover> find_leftovers(const std::filesystem::path& folder);

}  // namespace faceflow::internal
