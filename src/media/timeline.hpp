// Turns the timestamps of decoded frames into nanoseconds that only ever grow.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace faceflow::media {

enum class timeline_event { none, out_of_order, jump };

class timeline {
    // A file may state any 64-bit time, and their differences need a bit more.
    __extension__ using wide = __int128;

public:
    // `nominal`: how long a frame lasts where its timestamps do not say.
    explicit timeline(std::int64_t nominal_ns) : nominal_(nominal_ns > 0 ? nominal_ns : 40'000'000) {}

    // All raw times are taken, as far as 64 bits go, and each time given is at least 0 and later than all before it.
    // The raw time that counts as 0. Without it the first frame's is taken.
    void set_origin(std::int64_t raw_ns) noexcept { offset_ = -wide(raw_ns); }

    // Takes a frame's raw time (nullopt: it has none) and gives its time in the source; nullopt when the frame is
    // out of order. A step back of more than two seconds is no disorder but a new clock (joined files, a camera that
    // was restarted): time then goes on one frame after the last.
    [[nodiscard]] std::optional<std::int64_t> place(std::optional<std::int64_t> raw_ns) noexcept;

    // The input was opened anew, `elapsed` after the last frame: whatever clock it has now, time goes on from there.
    void restart(std::chrono::nanoseconds elapsed) noexcept;

    [[nodiscard]] timeline_event event() const noexcept { return event_; }  // of the last place()
    [[nodiscard]] std::optional<std::int64_t> last() const noexcept { return last_; }

private:
    std::int64_t nominal_;
    std::optional<wide> offset_;  // raw + offset = time in the source
    std::optional<std::int64_t> last_;
    std::optional<std::int64_t> resume_at_;
    timeline_event event_ = timeline_event::none;
};

}  // namespace faceflow::media
