// summary.json: what a run was and what it measured. docs/schema/summary.schema.json holds its shape.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/engine.hpp"

namespace faceflow {

// `survived`: what the sources lived through, entered among the errors.
[[nodiscard]] nlohmann::ordered_json summary_of(face_engine& engine, double seconds,
                                                const std::map<std::string, std::uint64_t>& survived);

}  // namespace faceflow
