// SPDX-License-Identifier: Apache-2.0
// Opens a lost live input again.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "media/demuxer.hpp"
#include "media/reconnect.hpp"

namespace faceflow::internal::media {

// Use it from one thread. What it is made with outlives it.
class reconnector {
public:
    using clock = std::chrono::steady_clock;
    // Continues with the input; an error means one more attempt.
    using taker = std::function<result<void>(demuxer)>;

    reconnector(const demuxer_request& input, io_guard& guard) : input_(input), guard_(guard) {}

    // The input ended with this libav error number. A playlist ends as a rule: only other losses are told to the user.
    void lose(int code, bool playlist);
    // Opens the lost input, which is closed, until it is taken up. errc::interrupted; errc::io when the time of
    // source_options::reconnect_for is over.
    [[nodiscard]] result<void> find_again(const taker& take_up);

    // A frame came, now: the input is back. Returns the time.
    clock::time_point note_frame();
    // From a loss until the next frame.
    [[nodiscard]] bool is_lost() const noexcept { return backoff_.has_value(); }
    // The time since the last frame.
    [[nodiscard]] clock::duration silence() const { return clock::now() - last_frame_at_; }

private:
    void tell(const std::string& what) const;

    const demuxer_request& input_;
    io_guard& guard_;
    std::optional<backoff> backoff_;
    std::string why_;        // the last error
    bool playlist_ = false;  // what was lost is one
    bool told_ = false;      // that it was lost, and not yet that it is back
    clock::time_point last_frame_at_ = clock::now();
};

}  // namespace faceflow::internal::media
