// SPDX-License-Identifier: Apache-2.0
// Records a source of the service: its rows, its events and its annotated video, as `faceflow run` writes them.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/queue.hpp"
#include "core/worker_pool.hpp"
#include "engine/outputs.hpp"
#include "serve/served_frame.hpp"

namespace faceflow::internal::serve {

struct recording_setup {
    std::filesystem::path folder;                  // of all recordings; made if it is missing
    std::string source, input;                     // the source's name, and its input without passwords
    options chosen;                                // of the engine
    std::chrono::seconds segment{900};             // a new folder after this time
    worker_pool* pool = nullptr;                   // draws; outlives the recording
    std::function<void(const std::string&)> note;  // takes lines for the user; any thread
    std::chrono::milliseconds retry_after{5'000};  // when no output could be written, such as on a full disk
};

struct recording_status {
    std::string run;            // the folder of the present segment
    double seconds = 0;         // of the present segment
    std::uint64_t frames = 0;   // written, in all segments
    std::uint64_t dropped = 0;  // not written: the disk or the encoder was too slow, or failed
    std::string message;        // why nothing is written now; empty while all is well
};

// Each segment is a folder FOLDER/SOURCE-TIME with faces.ndjson, faces.csv, events.csv, annotated.mp4 and summary.json.
// Its files grow under temporary names, from which `faceflow recover` makes whole ones after a crash. Thread-safe.
class recording {
public:
    // errc::io if the first segment cannot be created.
    [[nodiscard]] static result<std::unique_ptr<recording>> start(recording_setup setup);
    // Finishes the files.
    ~recording();
    recording(const recording&) = delete;

    // Never blocks: a frame for which there is no room is counted as dropped.
    void put(const frame_pointer& f);

    [[nodiscard]] recording_status status() const;

private:
    using clock = std::chrono::steady_clock;
    struct segment;

    explicit recording(recording_setup setup);
    [[nodiscard]] result<void> open_segment();
    void close_segment();
    void write_all();
    void write(const served_frame& f);
    [[nodiscard]] bool have_segment(clock::time_point now);

    const recording_setup setup_;
    const std::shared_ptr<const std::string> input_;
    mutable std::mutex mutex_;
    recording_status status_;
    clock::time_point began_{};  // of the present segment
    clock::time_point retry_at_{};
    bounded_queue<frame_pointer> waiting_;
    std::unique_ptr<segment> now_;  // used only by the writing thread
    std::jthread finisher_;         // of the segment before
    std::thread writer_;            // last: it uses all of the above
};

}  // namespace faceflow::internal::serve
