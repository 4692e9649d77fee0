// SPDX-License-Identifier: Apache-2.0
// The runs that measure one row of a comparison.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/report.hpp"
#include "device/ledger_check.hpp"
#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::internal::analysis {

// Other results of a run with all frames.
struct flood_outcome {
    std::map<std::uint64_t, frame_faces> faces;   // by sequence: there is a single source
    std::map<std::string, std::uint64_t> failed;  // frames without a result, by reason
    std::optional<ledger_check> checked;          // with verify_ledger
};

// Makes a fresh engine for each run, so that no run depends on another.
class trial {
public:
    using progress = std::function<void(std::uint64_t done)>;
    using progress_of = std::function<void(std::uint64_t done, std::uint64_t total)>;

    // All arguments must outlive the trial.
    trial(const options& chosen, const std::vector<host_frame>& frames, const std::atomic<bool>& stop)
        : chosen_(chosen),
          frames_(frames),
          stop_(stop) {}

    // Fills in the row's transfers, syncs, hit rate, peak memory, rate and time on the link, per frame with a result.
    [[nodiscard]] result<flood_outcome> all_at_once(const progress& on_progress, compare_row& row) const;

    // Returns, for each frame alone in the flow, the milliseconds from submit to result. A frame without a result is
    // counted in `failed` instead.
    [[nodiscard]] result<std::vector<double>> one_by_one(const progress_of& on_progress,
                                                         std::map<std::string, std::uint64_t>& failed) const;

private:
    const options& chosen_;
    const std::vector<host_frame>& frames_;
    const std::atomic<bool>& stop_;
};

// The duration in milliseconds of the transfers in `row` per frame, on an idle device like the chosen one, from
// page-locked memory if the chosen flow uses it. The shortest of several tries, arranged so as to measure the link and
// not the wake-ups of host threads. 0 if nothing is transferred.
[[nodiscard]] result<double> measure_link(const options& chosen, const compare_row& row);

}  // namespace faceflow::internal::analysis
