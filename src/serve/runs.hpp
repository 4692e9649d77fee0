// SPDX-License-Identifier: Apache-2.0
// The folder of recordings: what is in it, and the files that clients may read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::serve {

struct run_file {
    std::string name;
    std::uint64_t bytes = 0;
};

// A folder with results: a segment of a recording, or what `faceflow run --out` wrote there.
struct run_folder {
    std::string name;
    std::string source, started;  // as its summary says; empty if it does not
    double seconds = 0;
    std::uint64_t frames = 0;
    bool open = false;  // it is being written
    std::vector<run_file> files;
};

// The newest first, as their times say. At most 1 000; none if the folder does not exist.
[[nodiscard]] std::vector<run_folder> list_runs(const std::filesystem::path& folder);

struct opened_run_file {
    unique_fd file;
    std::uint64_t bytes = 0;
    std::string type;
};

// A regular file of a run in the folder, without following links. errc::not_found for any other, and for names that
// are not those of a run's outputs.
[[nodiscard]] result<opened_run_file> open_run_file(const std::filesystem::path& folder, std::string_view run,
                                                    std::string_view file);

}  // namespace faceflow::internal::serve
