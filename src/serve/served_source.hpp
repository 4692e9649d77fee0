// SPDX-License-Identifier: Apache-2.0
// A source of the service: read on a thread of its own, opened again when it is lost, under one name all the while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "engine/engine.hpp"
#include "media/source.hpp"

namespace faceflow::internal::serve {

enum class source_state : std::uint8_t {
    opening,
    running,
    paused,    // closed until it is resumed
    retrying,  // it could not be opened, or was lost; `message` says why
    ended,     // a recording came to its end
};
[[nodiscard]] std::string_view name(source_state state) noexcept;

struct source_request {
    std::string name;   // in addresses of the API
    std::string input;  // as for `faceflow run`
    bool loop = false;  // recordings: begin again at the end
};

struct source_status {
    std::string name, input;  // without passwords
    source_state state = source_state::opening;
    std::string message;  // why it is not running; empty while it is
    bool loop = false;
    std::int32_t width = 0, height = 0;  // upright; 0 before the first frame
    double frames_per_second = 0;        // over the last seconds
    double latency_ms = 0;               // from capture to faces, of the last frame
    std::uint64_t frames = 0;            // with a result
    std::uint64_t dropped = 0;           // overtaken by newer frames
    std::uint64_t errors = 0;            // frames without a result
    std::uint64_t reconnects = 0;        // opened again after it was lost
    std::uint64_t faces = 0;             // in the last frame
};

// Where a source's numbers continue when it is opened again, or another takes its number: the engine wants sequences
// that grow, and times that go on end the tracks of before.
struct number_line {
    std::uint64_t sequence = 0;
    std::int64_t pts_ns = 0;
};

class served_source {
public:
    // `number` identifies it in engines, where it begins and ends as a source; `line` is its number's, used by nobody
    // else meanwhile, and outlives it. `note`: see media::source_options; any thread.
    served_source(source_request request, std::uint32_t number, number_line& line,
                  std::function<void(const std::string&)> note);
    ~served_source() { stop(); }
    served_source(const served_source&) = delete;

    // Starts reading, into this engine. errc::unavailable if the system starts no more threads.
    [[nodiscard]] result<void> start(std::shared_ptr<face_engine> into);
    // Waits until it reads no more; a recording goes on there when it is started again. Call start and stop from one
    // thread at a time.
    void stop();

    void pause(bool on);
    void rename(std::string name);
    // A frame of it has its result; on the engine's handler thread.
    void took(const host_frame& f, const result<frame_faces>& faces);

    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    [[nodiscard]] std::string name() const;
    [[nodiscard]] source_status status() const;

private:
    using clock = std::chrono::steady_clock;
    enum class left : std::uint8_t { ended, lost, paused, stopped };

    void run(const std::stop_token& stop);
    [[nodiscard]] result<std::unique_ptr<media::source>> open(const std::stop_token& stop);
    [[nodiscard]] left read(media::source& from, const std::stop_token& stop);
    [[nodiscard]] result<std::optional<media::read_frame>> next_of(media::source& from);
    [[nodiscard]] result<void> submit(media::read_frame frame, const number_line& begin);
    void set(source_state state, std::string message = {});
    void rest(const std::stop_token& stop, std::chrono::milliseconds time);
    void wait_while_paused(const std::stop_token& stop);
    void stay_ended(const std::stop_token& stop);
    [[nodiscard]] bool paused() const;

    const std::uint32_t number_;
    number_line& line_;
    std::shared_ptr<face_engine> into_;  // changes only while no thread reads
    const std::function<void(const std::string&)> note_;
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    source_request request_;
    source_status status_;
    bool paused_ = false;
    double resume_at_ = 0;            // seconds into a recording that was paused or stopped
    clock::time_point rate_since_{};  // of the figures below
    std::uint64_t rate_frames_ = 0;
    std::jthread thread_;  // last: it uses all of the above
};

}  // namespace faceflow::internal::serve
