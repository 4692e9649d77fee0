// SPDX-License-Identifier: Apache-2.0
// Makes of what a killed run left what the run would have written until then.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow {

struct recovery {
    std::size_t runs = 0;      // that left something of use
    std::uint64_t frames = 0;  // in their rows
    std::vector<std::filesystem::path> written;
    std::vector<std::string> notes;  // what was left as it is, and why
};

// Files of rows are cut to their whole records, annotated videos become ordinary MP4s of all whole pictures, annotated
// pictures stay where they are whole, and summary.json is what the run last knew, with the frames and faces that the rows hold and
// `recovered: true`. Nothing is replaced: where one of a run's names is taken, all of its files get names with `recovered` in
// them. What a run that goes on writes, links, and files of other users are left as they are. May be killed itself and run
// again. errc::not_found without such a folder; errc::io when something cannot be written or named, and then it is there as it
// was, and can be tried again.
[[nodiscard]] result<recovery> recover(const std::filesystem::path& folder);

}  // namespace faceflow
