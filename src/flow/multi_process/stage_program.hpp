// SPDX-License-Identifier: Apache-2.0
// Where the program is that stage processes run.
#pragma once

#include <filesystem>
#include <span>

#include "faceflow/result.hpp"

namespace faceflow::flow {

// $FACEFLOW_STAGE, else faceflow-stage beside this program or library, as it is built, or in libexec/faceflow, where it is installed.
// errc::not_found says where it was looked for, and why one that is there will not do.
[[nodiscard]] result<std::filesystem::path> find_stage_program();

// The same for what lies at those paths. One that others may have put there is not run: the file and its folder belong to root, to
// this user or to the owner of what lies at the path, and nobody else may write them.
[[nodiscard]] result<std::filesystem::path> find_stage_program_for(std::span<const std::filesystem::path> programs);

}  // namespace faceflow::flow
