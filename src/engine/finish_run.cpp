// SPDX-License-Identifier: Apache-2.0
#include "engine/finish_run.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/try.hpp"
#include "engine/summary.hpp"

namespace faceflow::internal {
namespace {

error why_nothing_came(const ended_run& ended) {
    for (const source_capture& c : ended.from.captures()) {
        if (!c.ended()) return media::as_input_error(c.ended().error());
    }
    if (auto failed = ended.from.first_failure(); !failed) return media::as_input_error(failed.error());
    const metrics& counters = ended.parts.engine->counters();
    const std::string& input = ended.parts.sources.front()->info().input;
    if (!counters.errors.snapshot().empty() || !counters.dropped.snapshot().empty())
        return {errc::internal, fmt::format("no frame of {} gave a result", input)};
    const media::source_options& reading = ended.request.reading;
    return {errc::corrupt,
            fmt::format("no frame of {} could be decoded{}", input,
                        reading.start_seconds || reading.end_seconds ? " between --start and --end" : "")};
}

run_report report_of(const ended_run& ended) {
    run_report r;
    r.interrupted = ended.interrupted;
    r.seconds = ended.seconds;
    r.frames = ended.parts.engine->counters().frames.load();
    r.faces = ended.parts.engine->counters().faces.load();
    r.tracks = ended.parts.results->tracks();
    r.warnings = ended.parts.engine->notes();
    for (const source_capture& c : ended.from.captures()) {
        if (!c.ended()) r.warnings.push_back(c.ended().error().message);
    }
    return r;
}

summary_facts facts_of(const ended_run& ended) {
    summary_facts facts;
    facts.seconds = ended.seconds;
    if (ended.parts.gpus) facts.gpus = ended.parts.gpus->finish();
    for (const source_capture& c : ended.from.captures()) {
        for (const auto& [reason, n] : c.from().survived())
            facts.survived[reason] += n;
        if (!c.ended()) facts.survived["source_lost"] += 1;
    }
    return facts;
}

std::shared_ptr<const nlohmann::ordered_json> shared_summary(face_engine& engine, const summary_facts& facts) {
    return std::make_shared<const nlohmann::ordered_json>(summary_of(engine, facts));
}

void finish_outputs(const ended_run& ended, summary_facts& facts, run_report& report) {
    face_engine& engine = *ended.parts.engine;
    outputs& files = *ended.parts.files;
    files.snapshot(summary_of(engine, facts));  // for `recover`, in case the run is killed while it finishes
    files.finish(ended.parts.tracing.get());
    facts.unfinished = files.unfinished();
    // after finish: frames for the annotated video were downloaded until now
    facts.checked = engine.check_ledger();
    if (facts.checked) {
        for (auto& difference : facts.checked->differences())
            report.warnings.push_back(std::move(difference));
    }
    report.summary = shared_summary(engine, facts);
    files.write_summary(*report.summary);
    report.written = files.written();
    for (const auto& note : files.notes())
        report.warnings.push_back(note);
    for (const auto& u : files.unfinished()) {
        // An output gives up on its reader only because the run was stopped: not an error.
        if (report.outputs && u.why.code != errc::interrupted) report.outputs = fail(errc::io, u.why.message);
    }
}

}  // namespace

result<run_report> finish_run(const ended_run& ended) {
    summary_facts facts = facts_of(ended);
    run_report report = report_of(ended);
    if (report.frames > 0) {
        finish_outputs(ended, facts, report);
        FACEFLOW_TRY(ended.parts.engine->health());
        return report;
    }
    ended.parts.files->discard();  // existing files stay
    if (report.interrupted) {
        report.summary = shared_summary(*ended.parts.engine, facts);
        return report;
    }
    FACEFLOW_TRY(ended.parts.engine->health());
    return tl::unexpected(why_nothing_came(ended));
}

}  // namespace faceflow::internal
