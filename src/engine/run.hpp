// SPDX-License-Identifier: Apache-2.0
// A whole run: from sources through an engine into files.
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

namespace faceflow::internal {

struct run_request {
    std::vector<std::string> inputs;
    options chosen;
    std::filesystem::path out = "faceflow-out";  // folder; "-": NDJSON to standard output and no files
    std::filesystem::path trace_file;            // empty: none
    std::vector<const media::row_format*> formats = media::usual_formats();  // of the faces; empty: no rows
    bool video = true;
    // cpu; gpu: on the device, where frames stay, for videos and streams; auto: gpu on cuda, if the flow runs in one
    // process. For an annotated video, each frame is downloaded once it has its faces.
    std::string decode = "auto";
    std::optional<std::uint64_t> limit;  // limit of frames per input
    media::source_options reading;  // for each input: start, end and handling of lost frames; the run sets the rest
    std::function<void(const std::string&)> note = [](const std::string&) {
    };  // takes lines for the user; called on any thread
};

struct run_progress {
    std::uint64_t frames = 0;               // of all inputs, with a result
    std::uint64_t faces = 0;                // in the last frame
    std::optional<std::uint64_t> expected;  // total frames, if known
    double seconds = 0;                     // since the first frame was requested
};

struct run_report {
    std::vector<std::filesystem::path> written;
    bool interrupted = false;
    std::uint64_t frames = 0, faces = 0, tracks = 0;
    double seconds = 0;
    std::vector<std::string> warnings;                      // for the user: inputs that ended early and the like
    result<void> outputs;                                   // the first error of an output that could not be finished
    std::shared_ptr<const nlohmann::ordered_json> summary;  // the content of summary.json
};

// Blocks until the inputs end, `stop` becomes true (files are finished then, too) or the run cannot continue. A failed
// output is reported at once (`note`), keeps what it has, and stops no other output; the run ends when none is left.
// `on_progress` is called about ten times a second on the calling thread.
[[nodiscard]] result<run_report> run(const run_request& request, const std::atomic<bool>& stop,
                                     const std::function<void(const run_progress&)>& on_progress);

}  // namespace faceflow::internal
