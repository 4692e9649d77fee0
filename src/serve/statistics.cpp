// SPDX-License-Identifier: Apache-2.0
#include "serve/statistics.hpp"

#include "faceflow/faceflow.hpp"

namespace faceflow::internal::serve {
namespace {

using json = nlohmann::ordered_json;

json of_latency(const histogram& h) {
    return {{"count", h.count()},
            {"mean_ms", h.mean_ms()},
            {"p50_ms", h.quantile_ms(0.5)},
            {"p95_ms", h.quantile_ms(0.95)},
            {"p99_ms", h.quantile_ms(0.99)}};
}

json of_transfers(const ledger::entry& e) {
    return {{"count", e.count}, {"bytes", e.bytes}, {"pinned_count", e.pinned_count}};
}

json of_device(device& d) {
    const ledger& book = d.book();
    json stages = json::object();
    for (const stage at : all_stages) {
        stages[std::string(name(at))] = {
            {"host_to_device", of_transfers(book.transfers(direction::host_to_device, at))},
            {"device_to_host", of_transfers(book.transfers(direction::device_to_host, at))},
            {"syncs", book.syncs(at)}};
    }
    return {{"description", d.description()},
            {"pool_bytes", d.pool().used_bytes()},
            {"pool_peak_bytes", d.pool().peak_bytes()},
            {"pool_cap_bytes", d.pool().limit_bytes()},
            {"stages", std::move(stages)}};
}

json of_recording(const recording_status& r) {
    return {
        {"run", r.run}, {"seconds", r.seconds}, {"frames", r.frames}, {"dropped", r.dropped}, {"message", r.message}};
}

}  // namespace

json to_json(const source_report& r) {
    const source_status& s = r.source;
    return {{"name", s.name},
            {"input", s.input},
            {"state", std::string(name(s.state))},
            {"message", s.message},
            {"loop", s.loop},
            {"width", s.width},
            {"height", s.height},
            {"frames_per_second", s.frames_per_second},
            {"latency_ms", s.latency_ms},
            {"frames", s.frames},
            {"faces", s.faces},
            {"dropped", s.dropped},
            {"errors", s.errors},
            {"reconnects", s.reconnects},
            {"recording", r.recording ? of_recording(*r.recording) : json(nullptr)}};
}

json statistics(const service& of) {
    const auto engine = of.engine();
    face_engine& e = *engine;
    const metrics& m = e.counters();
    const frame_cache_counts cache = e.cache();
    json stages = json::object(), devices = json::array();
    for (const stage at : all_stages)
        stages[std::string(name(at))] = of_latency(m.of(at));
    for (const auto& d : e.devices())
        devices.push_back(of_device(*d));
    const std::chrono::duration<double> up = std::chrono::steady_clock::now() - of.since();
    return {{"version", version()},
            {"uptime_seconds", up.count()},
            {"flow", std::string(name(e.chosen().flow))},
            {"frames", m.frames.load()},
            {"faces", m.faces.load()},
            {"dropped", m.dropped.snapshot()},
            {"errors", m.errors.snapshot()},
            {"latency", of_latency(m.latency)},
            {"stages", std::move(stages)},
            {"cache",
             {{"hits", cache.hits},
              {"misses", cache.misses},
              {"evictions", cache.evictions},
              {"expirations", cache.expirations},
              {"frames", cache.frames},
              {"bytes", cache.bytes}}},
            {"devices", std::move(devices)}};
}

}  // namespace faceflow::internal::serve
