// SPDX-License-Identifier: Apache-2.0
// Which models there are, where each comes from, and whether the file on this machine is the right one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::inference {

// How a network is used: the names that its author gave, and the pictures that it takes.
struct model_graph {
    std::string input;
    std::int32_t size = 0;              // pixels, each way; 0: any
    float scale = 1, bias = 0;          // of picture_form
    std::vector<std::int32_t> strides;  // of a detector's levels: pixels from cell to cell
    std::map<std::string, std::string, std::less<>>
        outputs;  // by what they hold: scores, boxes, keypoints; landmarks, score

    // The name of the output that holds `what`, of a detector's level of that stride; what the network has not, has none.
    [[nodiscard]] std::string output(std::string_view what, std::int32_t stride = 0) const;
};

struct model_entry {
    std::string id;    // e.g. "retinaface_mnet25"
    std::string file;  // its name within a model folder
    std::string role;  // "detector" or "landmarks"
    std::string what;  // one line for people
    std::string source;
    std::string licence;
    std::string sha256;  // lower-case hex
    model_graph graph;
};

// Parses models/catalogue.toml. Unknown keys, missing keys, roles that are none, outputs that the role needs and that are not there, bad
// checksums and file names with a path in them are errors that name the model.
[[nodiscard]] result<std::vector<model_entry>> parse_catalogue(std::string_view text);

[[nodiscard]] result<std::string> sha256_of(const std::filesystem::path& file);

// The catalogue together with the folders where models may lie.
class model_store {
public:
    // Looks, in this order, in `folder` (when not empty), $FACEFLOW_MODELS, the installation that this program belongs to, and
    // the source tree it was built from.
    [[nodiscard]] static result<model_store> open(const std::filesystem::path& folder = {});

    [[nodiscard]] const std::vector<model_entry>& entries() const noexcept { return entries_; }
    [[nodiscard]] const std::vector<std::filesystem::path>& folders() const noexcept { return folders_; }

    // The entry, or an error that names the known ids.
    [[nodiscard]] result<model_entry> entry(std::string_view id) const;
    // The file, or an error that says where it was looked for and how to get it.
    [[nodiscard]] result<std::filesystem::path> find(const model_entry& entry) const;

private:
    std::vector<model_entry> entries_;
    std::vector<std::filesystem::path> folders_;
};

}  // namespace faceflow::inference
