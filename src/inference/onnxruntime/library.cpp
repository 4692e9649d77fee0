// SPDX-License-Identifier: Apache-2.0
#include "inference/onnxruntime/library.hpp"

#include "core/try.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>

#include <cstdlib>
#include <mutex>

namespace faceflow::internal::inference {
namespace {

namespace fs = std::filesystem;

using entry_point = const OrtApiBase*(ORT_API_CALL*)() noexcept;

// Disables telemetry: some builds (1.29 as distributed by npm) send usage data to their maker, and keep a device id in
// the home folder and a log in the temporary one, unless this is set before a process's first environment. It also
// applies to child processes.
void switch_telemetry_off() {
    ::setenv("ORT_DISABLE_TELEMETRY", "1", 1);
}

result<entry_point> entry_of(const char* name) {
    // Never unloaded: its threads and providers do not support it.
    void* const library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    void* const entry = library == nullptr ? nullptr : ::dlsym(library, "OrtGetApiBase");
    if (entry == nullptr) {
        const char* const why = ::dlerror();
        return fail(errc::unavailable, why != nullptr ? why : fmt::format("{} is not ONNX Runtime", name));
    }
    return reinterpret_cast<entry_point>(entry);
}

result<entry_point> find_entry() {
    std::string found;
    for (const char* name : {FACEFLOW_ONNXRUNTIME_SONAME, FACEFLOW_ONNXRUNTIME_LIBRARY}) {
        auto entry = entry_of(name);
        if (entry && (*entry)()->GetApi(ORT_API_VERSION) != nullptr) return entry;
        found += found.empty() ? "" : "; ";
        found += entry ? fmt::format("{} is ONNX Runtime {}, older than 1.{}", name, (*entry)()->GetVersionString(),
                                     ORT_API_VERSION)
                       : entry.error().message;
    }
    return fail(errc::unavailable,
                fmt::format("ONNX Runtime cannot be loaded: {}; put the folder of one on LD_LIBRARY_PATH", found));
}

std::mutex opening;
entry_point opened = nullptr;

}  // namespace

result<void> open_library() {
    const std::lock_guard lock(opening);
    if (opened != nullptr) return {};
    switch_telemetry_off();
    FACEFLOW_ASSIGN(opened, find_entry());
    Ort::InitApi(opened()->GetApi(ORT_API_VERSION));
    return {};
}

std::string library_version() {
    return opened()->GetVersionString();
}

fs::path library_folder() {
    Dl_info found{};
    if (::dladdr(reinterpret_cast<const void*>(opened), &found) == 0 || found.dli_fname == nullptr) return {};
    std::error_code ec;
    const fs::path real = fs::weakly_canonical(found.dli_fname, ec);
    return (ec ? fs::path(found.dli_fname) : real).parent_path();
}

}  // namespace faceflow::internal::inference
