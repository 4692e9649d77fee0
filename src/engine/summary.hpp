// SPDX-License-Identifier: Apache-2.0
// summary.json: the description and measurements of a run; docs/schema/summary.schema.json defines its format.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "telemetry/gpu_sampler.hpp"

namespace faceflow::internal {

// An output that could not be finished.
struct unfinished_output {
    std::filesystem::path target;
    error why;
    std::optional<std::filesystem::path> kept;  // where the written part is; nullopt: nothing was kept
};

// The facts of a summary besides the engine's own counters.
struct summary_facts {
    double seconds = 0;
    std::map<std::string, std::uint64_t> survived;  // errors that the sources survived, listed among the errors
    std::vector<gpu_usage> gpus;                    // from the cards; empty: the key is omitted
    std::optional<ledger_check> checked;            // nullopt: the key is omitted
    std::vector<unfinished_output> unfinished;      // empty: the key is omitted
};
[[nodiscard]] nlohmann::ordered_json summary_of(face_engine& engine, const summary_facts& facts);

// The text to write and print. Paths need not be valid UTF-8; invalid bytes become U+FFFD.
[[nodiscard]] std::string summary_text(const nlohmann::ordered_json& summary);

}  // namespace faceflow::internal
