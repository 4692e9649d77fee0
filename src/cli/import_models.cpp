// SPDX-License-Identifier: Apache-2.0
#include "cli/import_models.hpp"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/try.hpp"
#include "inference/catalogue.hpp"
#include "ipc/child_process.hpp"

namespace faceflow::internal::cli {
namespace {

namespace fs = std::filesystem;

constexpr auto look_again = std::chrono::milliseconds(200);

result<void> make_folder(const fs::path& into) {
    std::error_code ec;
    fs::create_directories(into, ec);
    if (!ec) return {};
    return fail(errc::io,
                fmt::format("cannot make the folder {}: {}; choose another with --out", into.string(), ec.message()));
}

// The converter's own messages go to this process's streams.
result<void> convert(const fs::path& bundle, const fs::path& into) {
    FACEFLOW_ASSIGN(const auto script, inference::find_converter());
    const std::vector<std::string> arguments{script.string(), "--task", bundle.string(), "--out", into.string()};
    FACEFLOW_ASSIGN(auto child, ipc::child_process::spawn("/usr/bin/python3", arguments, {}));
    auto ended = child.wait_for(std::chrono::steady_clock::now());
    while (!ended && !stop_on_signals())
        ended = child.wait_for(std::chrono::steady_clock::now() + look_again);
    if (!ended) return fail(errc::interrupted, "the import was interrupted; models that were complete stay");
    if (ended->clean()) return {};
    return fail(errc::corrupt,
                fmt::format("{} gave no models: the converter ended with {}; it takes Google's face_landmarker.task, "
                            "and needs numpy and onnx in /usr/bin/python3 (python3-numpy, python3-onnx)",
                            bundle.string(), ended->in_words()));
}

result<void> compare(const fs::path& into, const std::string& model_folder) {
    FACEFLOW_ASSIGN(const auto store, inference::model_store::open(model_folder));
    for (const auto& e : store.entries()) {
        if (e.bundle.empty()) continue;
        FACEFLOW_ASSIGN(const auto sha, inference::sha256_of(into / e.file));
        if (sha != e.sha256)
            return fail(errc::corrupt,
                        fmt::format("{} is not the model {} of the catalogue", (into / e.file).string(), e.id));
        to_stdout("{}: {}\n", e.id, (into / e.file).string());
    }
    return {};
}

}  // namespace

int import_models(const fs::path& bundle, const fs::path& into, const std::string& model_folder) {
    const fs::path folder = into.empty() ? inference::imported_models() : into;
    if (folder.empty())
        return report({errc::invalid_argument, "there is no home folder for models; choose one with --out", "out"});
    const auto done = make_folder(folder).and_then([&] { return convert(bundle, folder); }).and_then([&] {
        return compare(folder, model_folder);
    });
    return done ? exit_done : report(done.error());
}

}  // namespace faceflow::internal::cli
