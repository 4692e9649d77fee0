// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's library, which no program here is linked to: runs on kernels of our own start without its 28 MB.
#pragma once

#include <filesystem>
#include <string>

#include "faceflow/result.hpp"

namespace faceflow::inference {

// Opens the library, once for the process, and has ONNX Runtime's C++ interface call it; before any other call of that.
// It is the one that the loader finds by its name (on LD_LIBRARY_PATH, in the build or beside the installed library, on
// the system), else the one that this was built with. errc::unavailable: none, or only older ones than the headers.
// Thread-safe, but for the process' environment, which it changes (setenv) the first time: that must not run beside
// another thread's getenv.
[[nodiscard]] result<void> open_library();

// Once it is open.
[[nodiscard]] std::string library_version();
// Where it lies, once it is open: ONNX Runtime looks for its providers there.
[[nodiscard]] std::filesystem::path library_folder();

}  // namespace faceflow::inference
