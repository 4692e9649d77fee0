// SPDX-License-Identifier: Apache-2.0
// Models that the user brings, made of a vendor's file.
#pragma once

#include <filesystem>
#include <string>

namespace faceflow::internal::cli {

// Converts `bundle` into models and their plans in `into` (empty: the user's own folder), by the project's converter,
// which needs Python 3 with NumPy and ONNX, and compares them with the catalogue. Returns an exit code; says what went
// wrong.
[[nodiscard]] int import_models(const std::filesystem::path& bundle, const std::filesystem::path& into,
                                const std::string& model_folder);

}  // namespace faceflow::internal::cli
