// SPDX-License-Identifier: Apache-2.0
// How a face differs from what it was like in its first seconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "faceflow/types.hpp"

namespace faceflow::internal::vision {

struct baseline_options {
    std::int64_t length_ns = 0;  // of frames that count
    // Which frames count: the mesh is sure of its face, and that is turned away by 45 degrees at most.
    float least_presence = 0.8f, least_facing = 0.75f;
};

// The baseline of one track: the median of each measure over the first frames that count, until those have taken
// length_ns. It never changes afterwards.
//
// Not thread-safe; deterministic; holds at most max_frames frames (24 KB), and none once the baseline is known: of more,
// every second one, then every fourth, and so on.
class face_baseline {
public:
    explicit face_baseline(const baseline_options& options) : options_(options) {}

    // Of the track's next frame, `step_ns` after its last one (0 for the first): nothing while the baseline is being
    // taken, the frame that completes it included.
    [[nodiscard]] face_changes update(const face& f, std::int64_t step_ns);

private:
    static constexpr std::size_t measures = 6, max_frames = 1024;
    using values = std::array<float, measures>;

    [[nodiscard]] static values values_of(const face_measures& m);
    void remember(const values& v);
    void complete();

    baseline_options options_;
    std::int64_t taken_ns_ = 0;
    std::size_t seen_ = 0, stride_ = 1;  // frames that counted; of which each stride-th is remembered
    std::vector<values> remembered_;
    bool known_ = false;
    values median_{};  // not finite: never measured
};

}  // namespace faceflow::internal::vision
