// SPDX-License-Identifier: Apache-2.0
// What runs that were killed left in a folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace faceflow {

struct leftover {
    std::filesystem::path part;
    std::string name;   // that it was to get
    std::string token;  // of its run
    bool live = false;  // a run that goes on writes it
};

// Whether a run gives such a name to an annotated picture.
[[nodiscard]] bool is_annotated_picture(const std::string& name);

// Of the outputs that a run writes into its folder, or a folder of pictures in it, by run and name. Looks, and changes nothing.
[[nodiscard]] std::vector<leftover> find_leftovers(const std::filesystem::path& folder);

}  // namespace faceflow
