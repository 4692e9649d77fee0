// SPDX-License-Identifier: Apache-2.0
#include "engine/summary.hpp"
#include "faceflow/version.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace faceflow::internal {
namespace {

using json = nlohmann::ordered_json;

// Figures for users and scripts: microseconds are precise enough.
double rounded(double v) {
    return std::round(v * 1000) / 1000;
}

json counts(const std::map<std::string, std::uint64_t>& by_reason) {
    json j = json::object();
    for (const auto& [reason, n] : by_reason)
        j[reason] = n;
    return j;
}

json transfers(const std::vector<std::unique_ptr<device>>& devices, direction d) {
    ledger::entry sum;
    for (const auto& dev : devices) {
        if (!dev->shares_host_memory()) sum += dev->book().transfers(d);
    }
    return {{"count", sum.count}, {"bytes", sum.bytes}, {"pinned_bytes", sum.pinned_bytes}};
}

struct gpu_key {
    gpu_figure figure;
    const char* key;
};
constexpr std::array gpu_keys{gpu_key{gpu_figure::busy, "busy_percent"},
                              gpu_key{gpu_figure::memory_busy, "memory_busy_percent"},
                              gpu_key{gpu_figure::memory_used, "memory_used_bytes"},
                              gpu_key{gpu_figure::temperature, "temperature_c"},
                              gpu_key{gpu_figure::up, "host_to_device_bytes_per_second"},
                              gpu_key{gpu_figure::down, "device_to_host_bytes_per_second"},
                              gpu_key{gpu_figure::power, "power_w"}};

json check_object(const ledger_check& c) {
    const auto moved = [](const transfer_totals::moved& m) { return json{{"count", m.count}, {"bytes", m.bytes}}; };
    return {{"by", c.by},
            {"agrees", c.agrees()},
            {"host_to_device", {{"ledger", moved(c.ledger.up)}, {"device", moved(c.device.up)}}},
            {"device_to_host", {{"ledger", moved(c.ledger.down)}, {"device", moved(c.device.down)}}},
            {"syncs", {{"ledger", c.ledger.syncs}, {"device", c.device.syncs}}},
            {"lost_records", c.device.unknown}};
}

json gpu_object(const gpu_usage& g) {
    json j;
    j["name"] = g.name;
    j["readings"] = g.readings;
    if (const auto& total = g.of(gpu_figure::memory_total))
        j["memory_total_bytes"] = static_cast<std::uint64_t>(total->max);
    for (const auto& [figure, key] : gpu_keys) {
        if (const auto& r = g.of(figure)) j[key] = {{"mean", rounded(r->mean)}, {"max", rounded(r->max)}};
    }
    return j;
}

}  // namespace

json summary_of(face_engine& engine, const summary_facts& facts) {
    const metrics& m = engine.counters();
    const auto frames = m.frames.load(std::memory_order_relaxed);
    json stages = json::object();
    for (const stage s : all_stages)
        stages[std::string(name(s))] = rounded(m.of(s).mean_ms());
    std::uint64_t syncs = 0, limit = 0;
    const std::uint64_t peak = engine.peak_device_bytes();
    for (const auto& d : engine.devices()) {
        syncs += d->book().syncs();
        limit += d->pool().limit_bytes() * flow::pools_of(engine.chosen().flow);
    }
    auto errors = m.errors.snapshot();
    for (const auto& [reason, n] : facts.survived)
        errors[reason] += n;
    json models = json::array();
    for (const auto& u : engine.models().used)
        models.push_back({{"id", u.id}, {"file", u.file}, {"sha256", u.sha256}});

    json j;
    j["frames"] = frames;
    j["seconds"] = rounded(facts.seconds);
    j["fps"] = facts.seconds > 0 ? rounded(static_cast<double>(frames) / facts.seconds) : 0.0;
    j["faces"] = m.faces.load(std::memory_order_relaxed);
    j["latency_ms"] = {{"p50", rounded(m.latency.quantile_ms(0.50))},
                       {"p95", rounded(m.latency.quantile_ms(0.95))},
                       {"p99", rounded(m.latency.quantile_ms(0.99))}};
    j["stage_ms"] = std::move(stages);
    j["transfers"] = {{"host_to_device", transfers(engine.devices(), direction::host_to_device)},
                      {"device_to_host", transfers(engine.devices(), direction::device_to_host)}};
    j["syncs"] = syncs;
    if (facts.checked) j["ledger_check"] = check_object(*facts.checked);
    const frame_cache_counts cache = engine.cache();
    const std::uint64_t asked = cache.hits + cache.misses;
    j["cache"] = {{"hits", cache.hits},
                  {"misses", cache.misses},
                  {"hit_rate", asked > 0 ? rounded(static_cast<double>(cache.hits) / static_cast<double>(asked)) : 0.0},
                  {"evictions", cache.evictions},
                  {"expired", cache.expirations}};
    j["device_memory"] = {{"peak_bytes", peak}, {"limit_bytes", limit}};
    j["missing"] = engine.missing();
    j["dropped"] = counts(m.dropped.snapshot());
    j["errors"] = counts(errors);
    j["device"] = name(engine.devices().front()->kind());
    for (const gpu_usage& g : facts.gpus)
        j["gpus"].push_back(gpu_object(g));
    j["flow"] = name(engine.chosen().flow);
    j["precision"] = name(engine.chosen().precision);
    j["pose_convention"] = name(engine.chosen().pose_convention);
    j["baseline_seconds"] = engine.chosen().baseline;
    j["models"] = std::move(models);
    for (const auto& u : facts.unfinished) {
        j["unfinished"].push_back({{"file", u.target.string()},
                                   {"error", u.why.message},
                                   {"kept", u.kept ? json(u.kept->string()) : json(nullptr)}});
    }
    j["version"] = FACEFLOW_VERSION;
    return j;
}

std::string summary_text(const json& summary) {
    return summary.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace faceflow::internal
