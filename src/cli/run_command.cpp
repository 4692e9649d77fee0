// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "engine/run.hpp"
#include "engine/summary.hpp"
#include "media/row_formats.hpp"

namespace faceflow::internal::cli {
namespace {

struct run_arguments {
    run_request request;
    engine_options engine;
    input_options input;
    std::string out = "faceflow-out", format = media::join_names(media::usual_formats(), ","), config, trace;
    std::uint64_t limit = 0;
    double start = 0, end = 0;
    bool realtime = false;
    bool video = true, quiet = false, json = false;
};

void print_summary(const run_report& r) {
    const auto& s = *r.summary;
    to_stdout("{} frames in {:.1f} s: {:.1f} fps, latency p50 {:.1f} ms, p95 {:.1f} ms\n", r.frames, r.seconds,
              s["fps"].get<double>(), s["latency_ms"]["p50"].get<double>(), s["latency_ms"]["p95"].get<double>());
    to_stdout("{} face{} on {} track{}\n", r.faces, r.faces == 1 ? "" : "s", r.tracks, r.tracks == 1 ? "" : "s");
    for (const char* what : {"dropped", "errors"}) {
        for (const auto& [reason, n] : s[what].items())
            to_stdout("{}: {} {}\n", what, n.get<std::uint64_t>(), reason);
    }
    for (const auto& path : r.written)
        to_stdout("wrote {}\n", path.string());
}

int execute(const run_arguments& a, const given& options) {
    run_request request = a.request;
    request.chosen = a.engine.resolve();
    if (auto r = a.input.resolve(request.reading); !r) return report(r.error(), options);
    request.reading.realtime = a.realtime;
    request.out = a.out;
    request.trace_file = a.trace;
    request.video = a.video && a.out != "-";
    auto formats = media::choose_formats(CLI::detail::split(a.format, ','));
    if (!formats) return report(formats.error(), options);
    request.formats = std::move(*formats);
    if (a.limit > 0) request.limit = a.limit;
    if (a.start > 0) request.reading.start_seconds = a.start;
    if (a.end > 0) request.reading.end_seconds = a.end;
    if (a.end > 0 && a.end <= a.start) return report({errc::invalid_argument, "--end must come after --start"});

    const auto& stop = stop_on_signals();
    result<run_report> done = [&] {
        progress_line line(a.quiet || a.json);
        request.note = [&line](const std::string& text) { line.note(text); };
        return run(request, stop, [&](const run_progress& p) { line.show(p); });
    }();
    if (!done) return report(done.error(), options);
    for (const auto& w : done->warnings)
        to_stderr("faceflow: {}\n", w);
    if (a.json) {
        to_stdout("{}", summary_text(*done->summary));
    } else if (!a.quiet && a.out != "-") {
        print_summary(*done);
    }
    if (!done->outputs) return exit_code_of(done->outputs.error());  // already reported when it happened
    return done->interrupted ? exit_interrupted : exit_done;
}

}  // namespace

declared add_run(CLI::App& app) {
    auto a = std::make_shared<run_arguments>();
    auto* run = app.add_subcommand("run", "find and follow the faces of videos, pictures, cameras and streams");
    run->add_option("INPUT", a->request.inputs,
                    "a video file, a picture, a folder or quoted glob of pictures, /dev/videoN, rtsp://..., "
                    "http(s)://..., or - for standard input; each is a source of its own, but consecutive pictures "
                    "form one source, like a folder of them")
        ->required()
        ->type_name("INPUT");
    const auto output = "Output";
    run->add_option("-o,--out", a->out, "folder for the results; - writes NDJSON to standard output and nothing else")
        ->type_name("DIR")
        ->capture_default_str()
        ->group(output);
    run->add_option("--format", a->format,
                    "formats in which to write faces, a comma-separated list of: " +
                        media::join_names(media::all_formats(), ", "))
        ->type_name("LIST")
        ->capture_default_str()
        ->group(output);
    run->add_option("--trace", a->trace, "write a trace of stages and transfers, to be viewed at ui.perfetto.dev")
        ->type_name("FILE")
        ->group(output);
    run->add_flag("--video,!--no-video", a->video,
                  "write annotated.mp4, and for pictures NAME-annotated.jpg (.png for a PNG)")
        ->default_str("on")
        ->group(output);
    run->add_flag("--quiet,!--no-quiet", a->quiet, "show no progress and no summary")->group(output);
    run->add_flag("--json,!--no-json", a->json, "print the summary as JSON instead of text")->group(output);
    one_of(*run->add_option("--decode", a->request.decode,
                            "where to decode; gpu keeps frames on the device, so that none is uploaded; auto: on the "
                            "device if it is cuda, and on the CPU what the card's decoder has no time for")
                ->capture_default_str()
                ->group("Frames on devices with memory of their own"),
           {"auto", "gpu", "cpu"});
    const auto part = "Which frames";
    run->add_option("--limit", a->limit, "stop after N frames of each source; 0: no limit")
        ->type_name("N")
        ->group(part);
    run->add_option("--start", a->start, "start at this time in each input")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber.description(""))
        ->group(part);
    run->add_option("--end", a->end, "end before this time in each input")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber.description(""))
        ->group(part);
    add_input_options(*run, a->input);
    run->add_flag("--realtime,!--no-realtime", a->realtime,
                  "treat recordings like cameras: frames arrive at their own pace, and a newer frame replaces one that "
                  "still waits")
        ->default_str("off")
        ->group(inputs_group);
    add_engine_options(*run, a->engine);
    run->add_option("--config", a->config,
                    "TOML file with these options as keys, without leading dashes; tuning options may be placed under "
                    "[tuning]; the command line takes precedence")
        ->type_name("FILE.toml");
    give_examples(
        *run,
        {{"Annotate a video and write its faces, both to results/", "faceflow run interview.mp4 --out results"},
         {"A camera, with detection in every third frame only", "faceflow run /dev/video0 --no-video --detect-every 3"},
         {"A copy of each picture in a folder, with its faces drawn on it", "faceflow run holiday/ --out results"},
         {"A name that begins with a dash", "faceflow run --out results -- -odd.mp4"},
         {"Two videos at the same time, as two sources", "faceflow run left.mp4 right.mp4 --out both"},
         {"Ten seconds of a video as lines of JSON", "faceflow run clip.mp4 --start 5 --end 15 --out - > faces.ndjson"},
         {"Whatever FFmpeg can read", "ffmpeg -i in.mov -f nut - | faceflow run - --out results"}});
    return {run, [a](const given& options) { return execute(*a, options); }};
}

}  // namespace faceflow::internal::cli
