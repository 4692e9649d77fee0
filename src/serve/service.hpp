// SPDX-License-Identifier: Apache-2.0
// What `faceflow serve` serves: sources that come and go, one engine, and the newest result of each source.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.hpp"
#include "media/result_writer.hpp"
#include "serve/served_source.hpp"

namespace faceflow::internal::serve {

// A frame of a source with its faces. Its pixels live as long as this.
struct served_frame {
    std::string source;
    host_frame frame;
    frame_faces faces;
    std::shared_ptr<const std::string> row;  // as a line of faces.ndjson, without the end of line
};
using frame_pointer = std::shared_ptr<const served_frame>;

// Thread-safe.
class service {
public:
    static constexpr std::size_t max_sources = 256;

    // `chosen`: pacing is live. `note` takes lines for the user; any thread.
    [[nodiscard]] static result<std::unique_ptr<service>> create(options chosen,
                                                                 std::function<void(const std::string&)> note);
    // Ends all sources, and waits for their frames.
    ~service();
    service(const service&) = delete;

    // Names are 1 to 64 letters, digits, '-', '_' and '.'. errc::invalid_argument for another name, or one that is
    // taken; errc::unavailable for more sources than max_sources.
    [[nodiscard]] result<source_status> add(source_request request);
    // errc::not_found for a name that nobody has.
    [[nodiscard]] result<void> remove(std::string_view name);
    [[nodiscard]] result<source_status> pause(std::string_view name, bool on);
    [[nodiscard]] result<source_status> rename(std::string_view name, const std::string& to);
    [[nodiscard]] result<source_status> status(std::string_view name) const;
    [[nodiscard]] std::vector<source_status> sources() const;  // by name

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
    [[nodiscard]] const media::row_contents& contents() const noexcept { return contents_; }
    [[nodiscard]] face_engine& engine() const noexcept { return *engine_; }
    [[nodiscard]] std::chrono::steady_clock::time_point since() const noexcept { return since_; }
    // An error once the engine cannot go on.
    [[nodiscard]] result<void> health() const { return engine_->health(); }

private:
    struct place {
        number_line line;
        std::unique_ptr<served_source> source;  // null: free
        frame_pointer newest;
    };
    struct waiting_picture {
        std::uint64_t sequence = 0;
        std::optional<result<frame_faces>> answer;
    };

    explicit service(std::function<void(const std::string&)> note) : note_(std::move(note)) {}
    void handle(const host_frame& f, result<frame_faces> faces);
    void answer_picture(const host_frame& f, result<frame_faces> faces);
    [[nodiscard]] place* find(std::string_view name);
    [[nodiscard]] const place* find(std::string_view name) const;
    [[nodiscard]] std::size_t free_place();

    const std::function<void(const std::string&)> note_;
    media::row_contents contents_;
    const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    mutable std::mutex mutex_;
    std::mutex changes_;                          // one change of the sources at a time; taken before mutex_
    std::vector<std::unique_ptr<place>> places_;  // by number
    std::mutex observers_mutex_;
    std::uint64_t next_observer_ = 1;
    std::map<std::uint64_t, observer> observers_;
    std::timed_mutex picture_turn_;
    std::mutex picture_mutex_;
    std::condition_variable picture_done_;
    waiting_picture picture_;
    std::uint64_t pictures_ = 0;
    std::unique_ptr<face_engine> engine_;  // last: its threads use all of the above
};

}  // namespace faceflow::internal::serve
