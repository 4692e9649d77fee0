// SPDX-License-Identifier: Apache-2.0
// What a run consists of: devices, sources, outputs and an engine between them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/worker_pool.hpp"
#include "engine/engine.hpp"
#include "engine/open_sources.hpp"
#include "engine/outputs.hpp"
#include "engine/result_taker.hpp"
#include "engine/run.hpp"
#include "engine/stop_relay.hpp"
#include "media/source.hpp"
#include "telemetry/gpu_sampler.hpp"
#include "telemetry/trace.hpp"

namespace faceflow::internal {

// In the order in which they are opened; each uses those above it.
class run_parts {
public:
    // The arguments outlive the parts. If the engine cannot be made, no output is left.
    [[nodiscard]] static result<std::unique_ptr<run_parts>> open(const run_request& request, stop_relay& halt);

    std::shared_ptr<runtime_context> context;  // declared before everything that holds frames on its devices
    device_decoding decoding;                  // used by sources
    std::vector<std::unique_ptr<media::source>> sources;
    std::optional<worker_pool> own_pool;  // draws, if the device has no pool
    std::unique_ptr<outputs> files;
    std::optional<result_taker> results;
    std::unique_ptr<trace> tracing;       // null: the run draws no trace
    std::unique_ptr<gpu_sampler> gpus;    // null: no graphics card is in use
    std::unique_ptr<face_engine> engine;  // its threads use all of the above

private:
    run_parts() = default;
    [[nodiscard]] result<void> open_sources(const run_request& request, const stop_relay& halt);
    [[nodiscard]] result<void> open_outputs(const run_request& request, stop_relay& halt);
    [[nodiscard]] result<void> open_engine(const run_request& request);
    void watch_gpus();
};

}  // namespace faceflow::internal
