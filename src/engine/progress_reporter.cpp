// SPDX-License-Identifier: Apache-2.0
#include "engine/progress_reporter.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/thread.hpp"
#include "engine/summary.hpp"

namespace faceflow::internal {

run_progress progress_reporter::progress() const {
    run_progress p;
    p.frames = parts_.engine->counters().frames.load(std::memory_order_relaxed);
    p.faces = parts_.results->last_faces();
    p.seconds = seconds();
    std::uint64_t expected = 0;
    for (const auto& s : parts_.sources) {
        const auto& frames = s->info().frames;
        if (!frames) return p;
        expected += std::min<std::uint64_t>(static_cast<std::uint64_t>(*frames), request_.limit.value_or(UINT64_MAX));
    }
    p.expected = expected;
    return p;
}

// Capture threads are still running: running out of memory must not unwind the caller.
void progress_reporter::show() {
    const auto shown = caught("showing progress", [this] {
        if (on_progress_) on_progress_(progress());
        if (clock::now() - saved_ < std::chrono::seconds(1)) return;
        saved_ = clock::now();
        summary_facts facts;
        facts.seconds = seconds();
        parts_.files->snapshot(summary_of(*parts_.engine, facts));
    });
    if (!shown) parts_.engine->counters().errors.add(name(shown.error().code));
}

}  // namespace faceflow::internal
