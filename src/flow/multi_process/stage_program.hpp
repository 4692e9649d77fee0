// SPDX-License-Identifier: Apache-2.0
// Finds the program of stage processes.
#pragma once

#include <filesystem>
#include <span>

#include "faceflow/result.hpp"

namespace faceflow::internal::flow {

// $FACEFLOW_STAGE, else faceflow-stage beside this program or library (as built) or in libexec/faceflow (as installed).
// errc::not_found says where it was searched for, and why a file found there was rejected.
[[nodiscard]] result<std::filesystem::path> find_stage_program();

// The same for the given programs or libraries. Rejects a program that other users could have placed there: the file
// and its folder must belong to root, to this user or to the owner of the given path, and nobody else may have write
// access.
[[nodiscard]] result<std::filesystem::path> find_stage_program_for(std::span<const std::filesystem::path> programs);

}  // namespace faceflow::internal::flow
