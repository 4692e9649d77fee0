// SPDX-License-Identifier: Apache-2.0
// What `faceflow serve` serves: sources that come and go, one engine, and the newest result of each source.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/worker_pool.hpp"
#include "engine/engine.hpp"
#include "media/result_writer.hpp"
#include "serve/recording.hpp"
#include "serve/served_frame.hpp"
#include "serve/served_source.hpp"

namespace faceflow::internal::serve {

struct service_setup {
    options chosen;                                            // pacing is live
    std::filesystem::path recordings = "faceflow-recordings";  // folder
    std::chrono::seconds segment{900};                         // of a recording
    std::function<void(const std::string&)> note;              // takes lines for the user; any thread
};

// A source as it is now, and its recording if there is one.
struct source_report {
    source_status source;
    std::optional<recording_status> recording;
};

struct served_marker {
    marker what;
    std::uint64_t sequence = 0;  // of the frame that was the newest
};

// Thread-safe.
class service {
public:
    static constexpr std::size_t max_sources = 256;

    [[nodiscard]] static result<std::unique_ptr<service>> create(service_setup setup);
    // Ends all sources, waits for their frames, and finishes their recordings.
    ~service();
    service(const service&) = delete;

    // Names are 1 to 64 letters, digits, '-', '_' and '.'. errc::invalid_argument for another name, or one that is
    // taken; errc::unavailable for more sources than max_sources.
    [[nodiscard]] result<source_report> add(source_request request);
    // errc::not_found for a name that nobody has, here and below.
    [[nodiscard]] result<void> remove(std::string_view name);
    [[nodiscard]] result<source_report> pause(std::string_view name, bool on);
    [[nodiscard]] result<source_report> rename(std::string_view name, const std::string& to);
    // No effect if it is, or is not, recorded already. errc::io if no files can be made.
    [[nodiscard]] result<source_report> record(std::string_view name, bool on);
    // The next frame has the marker. errc::unavailable if there is no frame yet, or many markers wait for the next.
    [[nodiscard]] result<served_marker> mark(std::string_view name, std::string text);
    [[nodiscard]] result<source_report> report(std::string_view name) const;
    [[nodiscard]] std::vector<source_report> reports() const;  // by name

    // Makes an engine with these options, to which all sources move; what was counted begins anew. An error changes
    // nothing.
    [[nodiscard]] result<void> change(const options& chosen);
    // As they were given; what `auto` stands for, the engine knows.
    [[nodiscard]] options chosen() const;

    // The newest frame; null before the first.
    [[nodiscard]] result<frame_pointer> newest(std::string_view name) const;

    // `observer` gets every frame that has its faces, on the engine's handler thread: it must return quickly. Once
    // unobserve has returned, it is not called any more.
    using observer = std::function<void(const frame_pointer&)>;
    [[nodiscard]] std::uint64_t observe(observer o);
    void unobserve(std::uint64_t which);

    // The faces of a picture file's content, which is decoded under the limits of files. One at a time; the others
    // wait, as long as `patience`. errc::timeout then.
    [[nodiscard]] result<frame_faces> faces_of(std::string_view content, std::chrono::milliseconds patience);

    // What rows have.
    [[nodiscard]] media::row_contents contents() const;
    // The present one; `change` replaces it.
    [[nodiscard]] std::shared_ptr<face_engine> engine() const;
    [[nodiscard]] const std::filesystem::path& recordings() const noexcept { return setup_.recordings; }
    [[nodiscard]] std::chrono::steady_clock::time_point since() const noexcept { return since_; }
    // An error once the engine cannot go on.
    [[nodiscard]] result<void> health() const { return engine()->health(); }

private:
    struct place {
        number_line line;
        std::unique_ptr<served_source> source;  // null: free
        frame_pointer newest;
        std::vector<marker> markers;  // for the next frame
        std::unique_ptr<recording> recorded;
    };
    struct waiting_picture {
        std::uint64_t sequence = 0;
        std::optional<result<frame_faces>> answer;
    };

    explicit service(service_setup setup);
    [[nodiscard]] result<std::shared_ptr<face_engine>> make_engine(options chosen);
    [[nodiscard]] result<served_source*> take_place(source_request request);
    [[nodiscard]] source_report report_of(const place& p) const;
    [[nodiscard]] result<std::unique_ptr<recording>> start_recording(const source_status& of);
    [[nodiscard]] std::vector<std::string> end_recordings();
    void move_sources(const std::shared_ptr<face_engine>& to);
    void handle(const host_frame& f, result<frame_faces> faces);
    void answer_picture(const host_frame& f, result<frame_faces> faces);
    [[nodiscard]] place* find(std::string_view name);
    [[nodiscard]] const place* find(std::string_view name) const;
    [[nodiscard]] std::size_t free_place();

    const service_setup setup_;
    options chosen_;
    const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    mutable std::mutex mutex_;
    std::mutex changes_;   // one change of sources, recordings or the engine at a time; taken before mutex_
    worker_pool drawing_;  // of recordings
    std::vector<std::unique_ptr<place>> places_;  // by number
    std::mutex observers_mutex_;
    std::uint64_t next_observer_ = 1;
    std::map<std::uint64_t, observer> observers_;
    std::timed_mutex picture_turn_;
    std::mutex picture_mutex_;
    std::condition_variable picture_done_;
    waiting_picture picture_;
    std::uint64_t pictures_ = 0;
    std::shared_ptr<face_engine> engine_;  // last: its threads use all of the above
};

}  // namespace faceflow::internal::serve
