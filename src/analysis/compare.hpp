// SPDX-License-Identifier: Apache-2.0
// Runs flows on the same frames and measures how each moves them.
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

namespace faceflow::internal::analysis {

struct compare_request {
    std::string input;
    std::vector<std::string> flows;  // one row each, in this order
    std::vector<std::string>
        // any of cache, batch, pinned, graphs: adds, after each flow's row, one with that switched off
        ablate;
    options chosen;             // for every flow; compare sets `flow` and `pacing`
    std::uint64_t limit = 150;  // frames; fewer if they exceed max_decoded_bytes
    double start_seconds = 0;
};

// Frames are decoded once and kept, so that no flow waits for a decoder and all get the same pixels.
inline constexpr std::size_t max_decoded_bytes = std::size_t{1} << 30;

struct comparison {
    // Changes are relative to the first row. Faces are compared to the reference: the first row whose flow does not
    // convert pixels, else the first.
    std::vector<compare_row> rows;
    double frames_per_second = 30;   // of the source; 30 if unknown
    std::vector<std::string> notes;  // for the user: failed frames, a cut clip, the device chosen for `auto`
};

struct compare_progress {
    std::string what;  // "decoding", or the row's label and phase
    std::uint64_t done = 0, total = 0;
};

// Each row takes two runs on fresh engines. The first run submits all frames at once, paced as recorded, and measures
// transfers, syncs, cache hits, peak memory and rate. The first frame (or those of the first detection) goes alone and
// is not counted, if there are more: the flow learns from it how many faces to allow for. The second run submits up to
// 60 frames one by one, paced as live and in one lane, after 5 that do not count, and measures the latency from submit
// to result. Finally, the transfers are repeated alone on the idle device: time on the link.
//
// `auto` is a GPU if there is one, else the emulated device, since on a CPU nothing is transferred. Blocks; `stop` ends
// it with errc::interrupted. A frame of the second run without a result for a minute ends it with errc::timeout.
// `on_progress` is called on the caller's thread.
[[nodiscard]] result<comparison> compare(const compare_request& request, const std::atomic<bool>& stop,
                                         const std::function<void(const compare_progress&)>& on_progress);

// The distance of faces that cannot be compared.
inline constexpr double infinity = std::numeric_limits<double>::infinity();

// The difference between one frame's faces and the reference's: 0 with `equal` set if all values have the same bits,
// infinity if tracks or their number differ, else pixels between landmarks; `close` counts the `faces` without a
// landmark beyond converted_tolerance_model_px.
struct difference {
    bool equal = true;
    double largest_px = 0;
    std::size_t faces = 0, close = 0;
};

// Whether a flow that converts pixels matches the reference's faces (see converted_share).
[[nodiscard]] bool enough_are_close(const difference& all) noexcept;
[[nodiscard]] difference difference_between(const frame_faces& reference, const frame_faces& other);

// Exact quantiles of measured latencies: the smallest value not exceeded by at least the share q. 0 if empty.
[[nodiscard]] percentiles_ms percentiles_of(std::vector<double> milliseconds);

}  // namespace faceflow::internal::analysis
