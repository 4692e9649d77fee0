// SPDX-License-Identifier: Apache-2.0
#include "serve/metrics_text.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <utility>
#include <vector>

namespace faceflow::internal::serve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using labels = std::vector<ClientMetric::Label>;

class family_list {
public:
    // Begins a family; samples follow.
    void begin(std::string name, std::string help, MetricType type) {
        all_.push_back({std::move(name), std::move(help), type, {}});
    }
    void sample(double value, labels of = {}) {
        ClientMetric m;
        m.label = std::move(of);
        (all_.back().type == MetricType::Counter ? m.counter.value : m.gauge.value) = value;
        all_.back().metric.push_back(std::move(m));
    }
    void sample(const histogram& h, labels of = {}) {
        constexpr double edges_ms[] = {0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500};
        ClientMetric m;
        m.label = std::move(of);
        for (const double edge : edges_ms) {
            const std::chrono::nanoseconds up_to(static_cast<std::int64_t>(edge * 1e6));
            m.histogram.bucket.push_back({h.count_up_to(up_to), edge / 1e3});
        }
        m.histogram.sample_count = h.count();
        m.histogram.sample_sum = std::chrono::duration<double>(h.total()).count();
        m.histogram.bucket.push_back({h.count(), std::numeric_limits<double>::infinity()});
        all_.back().metric.push_back(std::move(m));
    }
    [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(all_); }

private:
    std::vector<MetricFamily> all_;
};

template <class T>
double number(T value) {
    return static_cast<double>(value);
}

void add_sources(family_list& to, const service& of) {
    const auto sources = of.reports();
    const auto each = [&](const char* name, const char* help, MetricType type, auto value) {
        to.begin(name, help, type);
        for (const auto& [s, recorded] : sources)
            to.sample(number(value(s)), {{"source", s.name}});
    };
    using s = const source_status&;
    each("faceflow_source_frames_total", "Frames with a result.", MetricType::Counter, [](s x) { return x.frames; });
    each("faceflow_source_dropped_total", "Frames overtaken by newer ones.", MetricType::Counter,
         [](s x) { return x.dropped; });
    each("faceflow_source_errors_total", "Frames without a result.", MetricType::Counter, [](s x) { return x.errors; });
    each("faceflow_source_reconnects_total", "How often a lost source was opened again.", MetricType::Counter,
         [](s x) { return x.reconnects; });
    each("faceflow_source_frames_per_second", "Over the last seconds.", MetricType::Gauge,
         [](s x) { return x.frames_per_second; });
    each("faceflow_source_faces", "In the last frame.", MetricType::Gauge, [](s x) { return x.faces; });
    to.begin("faceflow_source_state", "1 for the state that a source is in.", MetricType::Gauge);
    for (const auto& [x, recorded] : sources) {
        for (const auto state : {source_state::opening, source_state::running, source_state::paused,
                                 source_state::retrying, source_state::ended})
            to.sample(x.state == state ? 1 : 0, {{"source", x.name}, {"state", std::string(name(state))}});
    }
}

void add_recordings(family_list& to, const service& of) {
    const auto sources = of.reports();
    const auto each = [&](const char* name, const char* help, MetricType type, auto value) {
        to.begin(name, help, type);
        for (const auto& [s, recorded] : sources) {
            if (recorded) to.sample(number(value(*recorded)), {{"source", s.name}});
        }
    };
    using r = const recording_status&;
    each("faceflow_recording_frames_total", "Frames written by the present recording.", MetricType::Counter,
         [](r x) { return x.frames; });
    each("faceflow_recording_dropped_total", "Frames that the present recording could not write.", MetricType::Counter,
         [](r x) { return x.dropped; });
    each("faceflow_recording_failed", "1 while nothing of it can be written.", MetricType::Gauge,
         [](r x) { return x.message.empty() ? 0 : 1; });
}

void add_engine(family_list& to, face_engine& engine) {
    const metrics& m = engine.counters();
    to.begin("faceflow_frames_total", "Frames with a result, of all sources.", MetricType::Counter);
    to.sample(number(m.frames.load()));
    to.begin("faceflow_faces_total", "Faces in those frames.", MetricType::Counter);
    to.sample(number(m.faces.load()));
    to.begin("faceflow_dropped_total", "Frames dropped, by reason.", MetricType::Counter);
    for (const auto& [reason, n] : m.dropped.snapshot())
        to.sample(number(n), {{"reason", reason}});
    to.begin("faceflow_errors_total", "Errors survived, by reason.", MetricType::Counter);
    for (const auto& [reason, n] : m.errors.snapshot())
        to.sample(number(n), {{"reason", reason}});
    to.begin("faceflow_latency_seconds", "From capture to result.", MetricType::Histogram);
    to.sample(m.latency);
    to.begin("faceflow_stage_seconds", "Time of a stage for a pass of frames.", MetricType::Histogram);
    for (const stage at : all_stages)
        to.sample(m.of(at), {{"stage", std::string(name(at))}});
}

void add_cache(family_list& to, const face_engine& engine) {
    const frame_cache_counts c = engine.cache();
    for (const auto& [what, help, n] : {std::tuple{"hits", "Frames found in the cache.", c.hits},
                                        {"misses", "Frames not found in it.", c.misses},
                                        {"evictions", "Frames that gave way to others.", c.evictions},
                                        {"expirations", "Frames whose time was over.", c.expirations}}) {
        to.begin(std::string("faceflow_cache_") + what + "_total", help, MetricType::Counter);
        to.sample(number(n));
    }
    to.begin("faceflow_cache_frames", "Frames in the cache.", MetricType::Gauge);
    to.sample(number(c.frames));
    to.begin("faceflow_cache_bytes", "Their bytes.", MetricType::Gauge);
    to.sample(number(c.bytes));
}

void add_devices(family_list& to, const face_engine& engine) {
    const auto& devices = engine.devices();
    const auto label = [](std::size_t i) { return ClientMetric::Label{"device", std::to_string(i)}; };
    const auto each_pool = [&](const char* name, const char* help, auto value) {
        to.begin(name, help, MetricType::Gauge);
        for (std::size_t i = 0; i < devices.size(); ++i)
            to.sample(number(value(devices[i]->pool())), {label(i)});
    };
    each_pool("faceflow_pool_bytes", "Device memory in use.", [](const auto& p) { return p.used_bytes(); });
    each_pool("faceflow_pool_cap_bytes", "The cap of device memory.", [](const auto& p) { return p.limit_bytes(); });
    const auto each_cell = [&](const char* name, const char* help, auto value) {
        to.begin(name, help, MetricType::Counter);
        for (std::size_t i = 0; i < devices.size(); ++i) {
            for (const stage at : all_stages) {
                for (const auto d : {direction::host_to_device, direction::device_to_host}) {
                    const bool up = d == direction::host_to_device;
                    to.sample(number(value(devices[i]->book().transfers(d, at))),
                              {label(i),
                               {"direction", up ? "host_to_device" : "device_to_host"},
                               {"stage", std::string(faceflow::internal::name(at))}});
                }
            }
        }
    };
    each_cell("faceflow_transfers_total", "Transfers between host and device.",
              [](const ledger::entry& e) { return e.count; });
    each_cell("faceflow_transfer_bytes_total", "Their bytes.", [](const ledger::entry& e) { return e.bytes; });
    to.begin("faceflow_syncs_total", "Waits of the host for a device.", MetricType::Counter);
    for (std::size_t i = 0; i < devices.size(); ++i) {
        for (const stage at : all_stages)
            to.sample(number(devices[i]->book().syncs(at)),
                      {label(i), {"stage", std::string(faceflow::internal::name(at))}});
    }
}

}  // namespace

std::string metrics_text(const service& of) {
    family_list all;
    const auto engine = of.engine();
    add_sources(all, of);
    add_recordings(all, of);
    add_engine(all, *engine);
    add_cache(all, *engine);
    add_devices(all, *engine);
    all.begin("faceflow_uptime_seconds", "Since the service began.", MetricType::Gauge);
    all.sample(std::chrono::duration<double>(std::chrono::steady_clock::now() - of.since()).count());
    return all.text();
}

}  // namespace faceflow::internal::serve
