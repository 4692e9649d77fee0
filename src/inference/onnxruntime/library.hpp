// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's library, which no program here links: runs on native kernels start without its 28 MB.
#pragma once

#include <filesystem>
#include <string>

#include "faceflow/result.hpp"

namespace faceflow::internal::inference {

// Loads the library, once per process, and connects ONNX Runtime's C++ interface to it; call it before any other call
// of that interface. Uses the library that the loader finds by its name (on LD_LIBRARY_PATH, in the build or beside the
// installed library, on the system), else the one of the build. errc::unavailable: none, or only ones older than the
// headers. Thread-safe, except that the first call changes the process's environment (setenv): no other thread may call
// getenv then.
[[nodiscard]] result<void> open_library();

// Valid once it is open.
[[nodiscard]] std::string library_version();
// Its folder, once it is open: ONNX Runtime searches there for its providers.
[[nodiscard]] std::filesystem::path library_folder();

}  // namespace faceflow::internal::inference
