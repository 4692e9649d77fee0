// SPDX-License-Identifier: Apache-2.0
// The model catalogue: which models exist, where each comes from, and whether the file on this machine is the right
// one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::internal::inference {

// How to use a network: the names in its graph, and the pictures that it takes.
struct model_graph {
    std::string input;
    std::int32_t size = 0;                                    // width and height in pixels; 0: any
    float scale = 1, bias = 0;                                // see picture_form
    std::vector<std::int32_t> strides;                        // of a detector's levels: pixels from cell to cell
    std::map<std::string, std::string, std::less<>> outputs;  // by content: scores, boxes, keypoints; landmarks, score

    // The name of the output with this content, for a detector in the level of that stride; empty if the network lacks
    // it.
    [[nodiscard]] std::string output(std::string_view what, std::int32_t stride = 0) const;
};

struct model_entry {
    std::string id;    // e.g. "retinaface_mnet25"
    std::string file;  // its name within a model folder
    std::string role;  // "detector", "landmarks" or "blendshapes"
    std::string what;  // one line for the user
    std::string source;
    std::string licence;
    std::string sha256;  // lower-case hex
    std::string bundle;  // the file that the user brings for it (`faceflow models import`); empty: it comes with set-up
    model_graph graph;
};

// Parses models/catalogue.toml. Unknown or missing keys, unknown roles, missing outputs for the role, invalid checksums
// and file names with a path are errors that name the model.
[[nodiscard]] result<std::vector<model_entry>> parse_catalogue(std::string_view text);

[[nodiscard]] result<std::string> sha256_of(const std::filesystem::path& file);

// Where `faceflow models import` puts models: in $XDG_DATA_HOME or ~/.local/share; empty without a home folder.
[[nodiscard]] std::filesystem::path imported_models();
// The script that converts MediaPipe's models: of the installation of this program, or of the source tree it was built
// from. errc::not_found.
[[nodiscard]] result<std::filesystem::path> find_converter();

// The catalogue, and the folders where models may be.
class model_store {
public:
    // Searches, in this order, `folder` (if not empty), $FACEFLOW_MODELS, imported_models(), the installation of this
    // program, and the source tree it was built from.
    [[nodiscard]] static result<model_store> open(const std::filesystem::path& folder = {});

    [[nodiscard]] const std::vector<model_entry>& entries() const noexcept { return entries_; }
    [[nodiscard]] const std::vector<std::filesystem::path>& folders() const noexcept { return folders_; }

    // The entry, or an error that names the known ids.
    [[nodiscard]] result<model_entry> entry(std::string_view id) const;
    // The file, or an error that says where it was searched for and how to get it.
    [[nodiscard]] result<std::filesystem::path> find(const model_entry& entry) const;

private:
    std::vector<model_entry> entries_;
    std::vector<std::filesystem::path> folders_;
};

}  // namespace faceflow::internal::inference
