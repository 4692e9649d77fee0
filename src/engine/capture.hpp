// SPDX-License-Identifier: Apache-2.0
// Reads the sources of a run, each on its own thread, into an engine.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/thread.hpp"
#include "engine/engine.hpp"
#include "engine/note_limiter.hpp"
#include "engine/run.hpp"
#include "engine/stop_relay.hpp"
#include "media/source.hpp"

namespace faceflow::internal {

// What all captures of a run share; outlives them.
struct capture_setup {
    const run_request& request;
    face_engine& into;
    stop_relay& halt;
};

// The capture of one source.
class source_capture {
public:
    source_capture(const capture_setup& with, std::uint32_t number, media::source& from);

    // Reads frames and submits them, until the source ends or fails, the limit is reached, or the run stops. `failed`
    // keeps errors of single frames.
    void run(first_error& failed);

    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    [[nodiscard]] media::source& from() const noexcept { return from_; }
    // An error if the source ended early.
    [[nodiscard]] const result<void>& ended() const noexcept { return ended_; }
    void end_with(error why) { ended_ = tl::unexpected(std::move(why)); }

private:
    [[nodiscard]] result<std::optional<media::read_frame>> read();
    [[nodiscard]] bool survives(error why, first_error& failed);
    [[nodiscard]] bool submit(media::read_frame frame, first_error& failed);

    const capture_setup& with_;
    const std::uint32_t number_;
    media::source& from_;
    const std::shared_ptr<const std::string> input_;
    note_limiter told_;
    std::uint64_t frames_ = 0;  // read so far
    result<void> ended_;
};

class capture_threads {
public:
    capture_threads(const capture_setup& with, const std::vector<std::unique_ptr<media::source>>& sources);

    // If one thread cannot be started, the run stops: the others have ended then, and the engine has nothing left to
    // do. Otherwise call `join`.
    [[nodiscard]] result<void> start();
    // Waits until a capture ends, but no longer than `time`. False: none was left.
    [[nodiscard]] bool wait(std::chrono::milliseconds time);
    void join();

    // After join.
    [[nodiscard]] const std::vector<source_capture>& captures() const noexcept { return captures_; }
    [[nodiscard]] result<void> first_failure() const { return failed_.get(); }  // of a frame

private:
    [[nodiscard]] result<void> start_all();
    void give_up();
    void end(const source_capture& c);

    const capture_setup with_;
    std::vector<source_capture> captures_;  // by source
    std::vector<std::thread> threads_;      // of the first ones
    first_error failed_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t running_ = 0;
};

}  // namespace faceflow::internal
