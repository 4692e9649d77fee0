// SPDX-License-Identifier: Apache-2.0
// Converts the timestamps of decoded frames to strictly growing nanoseconds, one for every frame.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace faceflow::internal::media {

// A settable clock counts as set if it steps forward by more than this, like ffmpeg's -dts_delta_threshold.
inline constexpr std::int64_t longest_gap_of_settable_clocks_ns = 10'000'000'000;

class timeline {
    // A file may state any 64-bit time, and differences need one bit more.
    __extension__ using wide = __int128;

public:
    // The raw times of coming frames, ascending, as far as known. Called only when a time looks wrong.
    using outlook = std::function<std::vector<std::int64_t>()>;

    // How often a time was corrected.
    struct mended {
        std::uint64_t order = 0;     // frames whose time did not grow: placed between their neighbours
        std::uint64_t jumps = 0;     // the clock was set back or forward, for good or for a moment
        std::uint64_t outliers = 0;  // frames with wrong timestamps while the clock went on
    };

    // `nominal_ns`: a frame's duration if its timestamps do not say.
    explicit timeline(std::int64_t nominal_ns) : nominal_(nominal_ns > 0 ? nominal_ns : 40'000'000) {}

    // Any 64-bit raw time is accepted, and each returned time is at least 0 and later than all before. set_origin sets
    // the raw time that counts as 0; without it, that is the first frame's.
    void set_origin(std::int64_t raw_ns) noexcept { clock_ = -wide(raw_ns); }

    // Returns the time in the source of a frame with this raw time (nullopt: it has none).
    //   - A time that does not grow, by a few frames: the frame is placed between its neighbours.
    //   - A time that no coming frame continues from is an outlier, with the same effect.
    //   - A lasting step back is a join of two recordings, or a camera that was restarted: time continues one frame
    //   after
    //     the last. The same holds for a step forward by more than `longest_gap_ns`, which is given for settable
    //     clocks.
    //     Without it, a gap is a gap.
    // Without an outlook, every step back counts as a join, until the old clock turns out to continue.
    [[nodiscard]] std::int64_t place(std::optional<std::int64_t> raw_ns,
                                     std::optional<std::int64_t> longest_gap_ns = std::nullopt,
                                     const outlook& ahead = {});

    // The input was reopened `elapsed` after the last frame: time continues from there, by the old clock if that fits.
    void restart(std::chrono::nanoseconds elapsed) noexcept;

    [[nodiscard]] const mended& counts() const noexcept { return counts_; }
    [[nodiscard]] std::optional<std::int64_t> last() const noexcept { return last_; }
    // The offset from raw time to source time of the last frame; nullopt if there is none or it does not fit 64 bits.
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
    std::optional<wide> previous_;  // before it was set; may turn out to continue
    int since_set_ = 0;             // frames
    bool in_outliers_ = false;
    std::optional<std::int64_t> last_;
    std::optional<std::int64_t> last_raw_;
    std::optional<std::int64_t> resume_at_;
    mended counts_;
};

}  // namespace faceflow::internal::media
