// SPDX-License-Identifier: Apache-2.0
#include "engine/run.hpp"

#include <chrono>
#include <utility>

#include "core/try.hpp"
#include "engine/capture.hpp"
#include "engine/finish_run.hpp"
#include "engine/progress_reporter.hpp"
#include "engine/run_parts.hpp"
#include "engine/stop_relay.hpp"

namespace faceflow::internal {

result<run_report> run(const run_request& request, const std::atomic<bool>& stop,
                       const std::function<void(const run_progress&)>& on_progress) {
    if (request.inputs.empty()) return fail(errc::invalid_argument, "no input was given");
    stop_relay halt;
    FACEFLOW_TRY(halt.watch(stop));
    FACEFLOW_ASSIGN(auto parts, run_parts::open(request, halt));
    progress_reporter progress(request, *parts, on_progress);
    capture_threads captures({request, *parts->engine, halt}, parts->sources);
    if (auto reading = captures.start(); !reading) {
        parts->files->discard();
        return tl::unexpected(std::move(reading.error()));
    }
    while (captures.wait(std::chrono::milliseconds(100)))
        progress.show();
    captures.join();
    parts->engine->drain();
    return finish_run({.request = request,
                       .parts = *parts,
                       .from = captures,
                       .interrupted = stop.load(),
                       .seconds = progress.seconds()});
}

}  // namespace faceflow::internal
