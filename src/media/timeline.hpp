// SPDX-License-Identifier: Apache-2.0
// Turns the timestamps of decoded frames into nanoseconds that only ever grow, one for every frame.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace faceflow::media {

// A clock that may be set was set where it steps on by more: as ffmpeg's -dts_delta_threshold.
inline constexpr std::int64_t longest_gap_of_settable_clocks_ns = 10'000'000'000;

class timeline {
    // A file may state any 64-bit time, and their differences need a bit more.
    __extension__ using wide = __int128;

public:
    // The raw times of frames to come, ascending, as far as they are known. Asked only where a time looks wrong.
    using outlook = std::function<std::vector<std::int64_t>()>;

    // How often a time was mended.
    struct mended {
        std::uint64_t order = 0;     // frames whose time did not grow: put between their neighbours
        std::uint64_t jumps = 0;     // the clock was set, back or on, for good or for a moment
        std::uint64_t outliers = 0;  // frames of those that were stamped wrong while the clock went on
    };

    // `nominal`: how long a frame lasts where its timestamps do not say.
    explicit timeline(std::int64_t nominal_ns) : nominal_(nominal_ns > 0 ? nominal_ns : 40'000'000) {}

    // All raw times are taken, as far as 64 bits go, and each time given is at least 0 and later than all before it.
    // The raw time that counts as 0. Without it the first frame's is taken.
    void set_origin(std::int64_t raw_ns) noexcept { clock_ = -wide(raw_ns); }

    // Takes a frame's raw time (nullopt: it has none) and gives its time in the source.
    //   - A time that does not grow, by a few frames: the frame is put between its neighbours.
    //   - A time that none of the frames to come goes on from is an outlier: the same.
    //   - A step back that lasts is a join of two recordings, or a camera that was restarted: time goes on one frame after the
    //     last. So does a step on by more than `longest_gap_ns`, where that is given: of clocks that may be set. Where it is not
    //     given, a gap is a gap.
    // Without an outlook every step back is taken for a join, and taken back when the clock is found to go on after all.
    [[nodiscard]] std::int64_t place(std::optional<std::int64_t> raw_ns,
                                     std::optional<std::int64_t> longest_gap_ns = std::nullopt,
                                     const outlook& ahead = {});

    // The input was opened anew, `elapsed` after the last frame: time goes on from there, by the old clock where that fits.
    void restart(std::chrono::nanoseconds elapsed) noexcept;

    [[nodiscard]] const mended& counts() const noexcept { return counts_; }
    [[nodiscard]] std::optional<std::int64_t> last() const noexcept { return last_; }
    // What the last frame's clock adds to a raw time; nullopt where it has none, or it fits no 64 bits.
    [[nodiscard]] std::optional<std::int64_t> offset() const noexcept;

private:
    [[nodiscard]] std::int64_t resume(std::optional<std::int64_t> raw_ns) noexcept;
    [[nodiscard]] bool fits(wide time, wide longest) const noexcept;
    [[nodiscard]] std::int64_t between(const std::vector<std::int64_t>& coming) const noexcept;
    [[nodiscard]] std::int64_t first_after_last(const std::vector<std::int64_t>& coming) const noexcept;
    [[nodiscard]] bool clock_goes_on(std::int64_t raw, const std::vector<std::int64_t>& coming) const noexcept;
    [[nodiscard]] bool leads_away(wide time, const std::vector<std::int64_t>& coming) const noexcept;
    [[nodiscard]] std::int64_t take_for_outlier(const std::vector<std::int64_t>& coming) noexcept;
    [[nodiscard]] std::int64_t join(std::int64_t raw) noexcept;
    [[nodiscard]] std::int64_t go_to(wide time) noexcept;

    std::int64_t nominal_;
    std::optional<wide> clock_;     // raw + clock = time in the source
    std::optional<wide> previous_;  // before it was set; may be found to go on
    int since_set_ = 0;             // frames
    bool in_outliers_ = false;
    std::optional<std::int64_t> last_;
    std::optional<std::int64_t> last_raw_;
    std::optional<std::int64_t> resume_at_;
    mended counts_;
};

}  // namespace faceflow::media
