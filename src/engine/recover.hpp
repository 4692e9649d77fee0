// SPDX-License-Identifier: Apache-2.0
// Turns the files that a killed run left into the outputs that it would have written by then.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::internal {

struct recovery {
    std::size_t runs = 0;      // runs that left usable files
    std::uint64_t frames = 0;  // in their rows
    std::vector<std::filesystem::path> written;
    std::vector<std::string> notes;  // what was left unchanged, and why
};

// Cuts files of rows to whole records, turns annotated videos into ordinary MP4s of all complete pictures, keeps
// complete annotated pictures, and writes summary.json from the run's last snapshot, with the frames and faces counted
// in the rows and `recovered: true`. Replaces nothing: if one of a run's names is taken, all of its files get names
// with `recovered` in them. Leaves files of active runs, links and other users' files unchanged. May be killed and run
// again. errc::not_found if there is no such folder; errc::io when a file cannot be written or renamed: it is then
// unchanged, and recovery can be retried.
[[nodiscard]] result<recovery> recover(const std::filesystem::path& folder);

}  // namespace faceflow::internal
