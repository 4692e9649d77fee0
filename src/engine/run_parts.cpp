// SPDX-License-Identifier: Apache-2.0
#include "engine/run_parts.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/processors.hpp"
#include "core/try.hpp"
#include "telemetry/nvml.hpp"

namespace faceflow::internal {

result<std::unique_ptr<run_parts>> run_parts::open(const run_request& request, stop_relay& halt) {
    std::unique_ptr<run_parts> parts(new run_parts);
    FACEFLOW_ASSIGN(parts->context, runtime_context::open(request.chosen));
    FACEFLOW_TRY(parts->open_sources(request, halt));
    FACEFLOW_TRY(parts->open_outputs(request, halt));
    if (auto made = parts->open_engine(request); !made) {
        parts->files->discard();
        return tl::unexpected(std::move(made.error()));
    }
    parts->watch_gpus();
    return parts;
}

result<void> run_parts::open_sources(const run_request& request, const stop_relay& halt) {
    FACEFLOW_ASSIGN(sources, source_opening(request, *context, halt.token()).open(decoding));
    for (const auto& s : sources) {
        for (const auto& note : s->info().notes)
            request.note(note);
    }
    return {};
}

result<void> run_parts::open_outputs(const run_request& request, stop_relay& halt) {
    std::vector<const media::source_info*> infos;
    for (const auto& s : sources)
        infos.push_back(&s->info());
    worker_pool* pool = context->devices.front()->helpers();
    if (pool == nullptr) {
        const auto threads = request.chosen.threads;
        pool = &own_pool.emplace(threads > 0 ? threads : usable_processors());
    }
    FACEFLOW_ASSIGN(files, outputs::open(request, infos, *pool, halt.token(), [&halt] { halt.request_stop(); }));
    results.emplace(*files);
    return {};
}

result<void> run_parts::open_engine(const run_request& request) {
    if (!request.trace_file.empty()) tracing = std::make_unique<trace>();
    face_engine::setup setup{
        .chosen = request.chosen,
        .on_result = [this](const host_frame& f, const result<frame_faces>& faces) { results->take(f, faces); },
        .merge_sources = true,
        .tracing = tracing.get(),
        .note = request.note,
        .with = context,
        .sources = sources.size()};
    for (const auto& s : sources) {
        const media::source_info& info = s->info();
        if (info.live) setup.chosen.pacing = pacing::live;
        setup.shapes.push_back({info.width, info.height, info.pictures});
    }
    FACEFLOW_ASSIGN(engine, face_engine::create(std::move(setup)));
    return {};
}

// A card without readable counters appears in the summary only by name.
void run_parts::watch_gpus() {
    std::vector<gpu_sampler::card> cards;
    for (const auto& d : engine->devices()) {
        if (d->bus_id().empty()) continue;  // not a card
        auto readings = open_nvml(d->bus_id());
        cards.push_back({d->description(), readings ? std::move(*readings) : nullptr});
    }
    if (!cards.empty()) gpus = std::make_unique<gpu_sampler>(std::move(cards));
}

}  // namespace faceflow::internal
