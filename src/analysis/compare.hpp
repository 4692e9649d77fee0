// SPDX-License-Identifier: Apache-2.0
// Runs flows on the very same frames and measures how each moves them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "analysis/report.hpp"
#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"

namespace faceflow::analysis {

struct compare_request {
    std::string input;
    std::vector<std::string> flows;  // a row each, in this order
    std::vector<std::string>
        ablate;                 // of cache, batch, pinned, graphs: after each flow's row, one with that switched off
    options chosen;             // of every flow; `flow` and `pacing` are compare's to set
    std::uint64_t limit = 150;  // frames; fewer when they take more than max_decoded_bytes
    double start_seconds = 0;
};

// Frames are decoded once and kept, so that no flow waits for a decoder or sees other pixels.
inline constexpr std::size_t max_decoded_bytes = std::size_t{1} << 30;

struct comparison {
    // Changes are against the first one. Faces are held to those of the reference: the first row whose flow takes pixels as they
    // come, else the first.
    std::vector<compare_row> rows;
    double frames_per_second = 30;   // of the source; 30 where it does not say
    std::vector<std::string> notes;  // for people: frames that failed, a cut-off clip, the device that `auto` became
};

struct compare_progress {
    std::string what;  // "decoding", or the row's label and phase
    std::uint64_t done = 0, total = 0;
};

// A row is two runs on fresh engines. All frames at once, paced as recorded: transfers, syncs, cache hits, peak memory and the
// rate. The first frame (those of the first detection) goes alone and is not counted, where there are more: from it a flow learns
// how many faces to make room for. Then up to 60 frames one by one, paced as live and in one lane, after 5 that do not count:
// latency from submit to result. Then its transfers alone on the idle device: time on the link.
//
// `auto` takes a GPU where there is one and else the emulated device: on a CPU nothing moves. Blocks; `stop` ends it with
// errc::interrupted. Where frames go one by one, one that has no result for a minute ends it with errc::timeout. `on_progress` is
// called on the caller's thread.
[[nodiscard]] result<comparison> compare(const compare_request& request, const std::atomic<bool>& stop,
                                         const std::function<void(const compare_progress&)>& on_progress);

// The distance of faces that cannot be compared.
inline constexpr double infinity = std::numeric_limits<double>::infinity();

// How far the faces of one frame are from the reference's: 0 with `equal` set when all of their values are the same bits,
// infinity when tracks or their number differ, else pixels between landmarks; `close` of `faces` have none further away than
// converted_tolerance_model_px.
struct difference {
    bool equal = true;
    double largest_px = 0;
    std::size_t faces = 0, close = 0;
};

// Whether a flow that converts pixels has the reference's faces (see converted_share).
[[nodiscard]] bool enough_are_close(const difference& all) noexcept;
[[nodiscard]] difference difference_between(const frame_faces& reference, const frame_faces& other);

// Exact quantiles of measured latencies: the smallest value that at least the share q does not exceed. 0 of nothing.
[[nodiscard]] percentiles_ms percentiles_of(std::vector<double> milliseconds);

}  // namespace faceflow::analysis
