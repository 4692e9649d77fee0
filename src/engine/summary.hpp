// summary.json: what a run was and what it measured. docs/schema/summary.schema.json holds its shape.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "engine/engine.hpp"
#include "telemetry/gpu_sampler.hpp"

namespace faceflow {

// `survived`: what the sources lived through, entered among the errors. `gpus`: what the cards said of themselves; without
// any, the summary has no such key.
[[nodiscard]] nlohmann::ordered_json summary_of(face_engine& engine, double seconds,
                                                const std::map<std::string, std::uint64_t>& survived,
                                                std::span<const gpu_usage> gpus = {});

}  // namespace faceflow
