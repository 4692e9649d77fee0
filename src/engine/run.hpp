// SPDX-License-Identifier: Apache-2.0
// A whole run: sources through an engine into files.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "media/row_formats.hpp"
#include "media/source.hpp"

namespace faceflow {

struct run_request {
    std::vector<std::string> inputs;
    options chosen;
    std::filesystem::path out = "faceflow-out";  // folder; "-": NDJSON to standard output and no files
    std::filesystem::path trace_file;            // empty: none
    std::vector<const media::row_format*> formats = media::usual_formats();  // of the faces; none: no rows
    bool video = true;
    // cpu; gpu: on the device, where frames stay, for videos and streams; auto: there on cuda, if the flow runs in one process.
    // For an annotated video each frame comes down once it has its faces.
    std::string decode = "auto";
    std::optional<std::uint64_t> limit;  // frames of each input
    media::source_options
        reading;  // of each input: from where to where, and what becomes of lost ones; the rest is the run's
    std::function<void(const std::string&)> note = [](const std::string&) {
    };  // lines for the user meanwhile; any thread
};

struct run_progress {
    std::uint64_t frames = 0;               // of all inputs, with a result
    std::uint64_t faces = 0;                // in the last frame
    std::optional<std::uint64_t> expected;  // frames in all, where known
    double seconds = 0;                     // since the first frame was asked for
};

struct run_report {
    std::vector<std::filesystem::path> written;
    bool interrupted = false;
    std::uint64_t frames = 0, faces = 0, tracks = 0;
    double seconds = 0;
    std::vector<std::string> warnings;                      // inputs that ended early and the like, for people
    result<void> outputs;                                   // the first error of one that could not be finished
    std::shared_ptr<const nlohmann::ordered_json> summary;  // what summary.json holds
};

// Blocks until the inputs end, `stop` becomes true (files are finished then, too) or nothing can go on. An output that fails is told
// of at once (`note`), keeps what it has, and stops no other one; the run ends when there is none left. `on_progress` is called
// about ten times a second, on the thread that called.
[[nodiscard]] result<run_report> run(const run_request& request, const std::atomic<bool>& stop,
                                     const std::function<void(const run_progress&)>& on_progress);

}  // namespace faceflow
