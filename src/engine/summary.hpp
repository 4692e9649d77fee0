// SPDX-License-Identifier: Apache-2.0
// summary.json: what a run was and what it measured. docs/schema/summary.schema.json holds its shape.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "telemetry/gpu_sampler.hpp"

namespace faceflow {

// What became of an output that could not be finished.
struct unfinished_output {
    std::filesystem::path target;
    error why;
    std::optional<std::filesystem::path> kept;  // where what was written of it lies; nothing was otherwise
};

// What a summary has beside the engine's own counters.
struct summary_facts {
    double seconds = 0;
    std::map<std::string, std::uint64_t> survived;  // what the sources lived through, entered among the errors
    std::vector<gpu_usage> gpus;                    // what the cards said of themselves; none: no such key
    std::optional<ledger_check> checked;            // the same
    std::vector<unfinished_output> unfinished;      // the same
};
[[nodiscard]] nlohmann::ordered_json summary_of(face_engine& engine, const summary_facts& facts);

// As it is written and printed. Paths need not be valid UTF-8; bytes that are not become U+FFFD.
[[nodiscard]] std::string summary_text(const nlohmann::ordered_json& summary);

}  // namespace faceflow
