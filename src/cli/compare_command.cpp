// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "analysis/compare.hpp"
#include "analysis/report.hpp"
#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "core/part_file.hpp"
#include "media/address.hpp"

namespace faceflow::internal::cli {
namespace {

struct compare_arguments {
    analysis::compare_request request;
    engine_options engine;
    std::string flows = "copied,cached,shared,threaded,fused", ablate, out;
    bool quiet = false, json = false;
};

std::vector<std::string> words(const std::string& list) {
    auto all = CLI::detail::split(list, ',');
    std::erase(all, "");
    return all;
}

// A line on a terminal's standard error, rewritten with progress.
class status_line {
public:
    explicit status_line(bool quiet) : shown_(!quiet && isatty(STDERR_FILENO) == 1) {}
    ~status_line() {
        if (shown_) to_stderr("\r\033[K");
    }
    status_line(const status_line&) = delete;
    status_line& operator=(const status_line&) = delete;
    void show(const analysis::compare_progress& p) const {
        if (!shown_) return;
        to_stderr("\r\033[K{}: {} of {} frames", p.what, p.done, p.total);
        std::fflush(stderr);
    }

private:
    const bool shown_;
};

// Flows that are compared must give the same faces: if not, the exit code tells scripts.
int judge(const std::vector<analysis::compare_row>& rows) {
    int outcome = exit_done;
    for (const auto& r : rows) {
        if (r.faces_equal && r.failed == 0) continue;
        outcome = exit_failed;
        if (!r.faces_equal) to_stderr("faceflow: {}: its faces are not those of the reference\n", label_of(r));
    }
    return outcome;
}

int execute(const compare_arguments& a, const given& options) {
    analysis::compare_request request = a.request;
    request.chosen = a.engine.resolve();
    request.flows = words(a.flows);
    request.ablate = words(a.ablate);

    for (const char* name : analysis::report_files) {
        if (a.out.empty()) break;
        if (auto r = refuse_input(std::filesystem::path(a.out) / name, request.input); !r)
            return report(r.error(), options);
    }

    const auto& stop = stop_on_signals();
    auto done = [&] {
        const status_line line(a.quiet || a.json);
        return analysis::compare(request, stop, [&](const analysis::compare_progress& p) { line.show(p); });
    }();
    if (!done) return report(done.error(), options);
    for (const auto& note : done->notes)
        to_stderr("faceflow: {}\n", note);

    const analysis::report_options how{
        done->frames_per_second, std::filesystem::path(media::without_secrets(request.input)).filename().string()};
    to_stdout("{}", a.json ? analysis::render_json(done->rows) : analysis::render_table(done->rows, how));
    const int outcome = judge(done->rows);
    if (a.out.empty()) return outcome;
    const auto written = analysis::write_reports(done->rows, a.out, how);
    if (!written) return report(written.error(), options);
    if (!a.quiet && !a.json) {
        for (const auto& path : *written)
            to_stdout("wrote {}\n", path.string());
    }
    return outcome;
}

}  // namespace

declared add_compare(CLI::App& app) {
    auto a = std::make_shared<compare_arguments>();
    auto* compare =
        app.add_subcommand("compare", "run several flows on the same frames and measure how each moves them");
    compare
        ->add_option("INPUT", a->request.input, "a video file, a picture, a folder of pictures, a camera or a stream")
        ->required()
        ->type_name("INPUT");
    const auto what = "What to compare";
    compare->add_option("--flows", a->flows, "flows to run; the others are compared with the first one")
        ->type_name("LIST")
        ->capture_default_str()
        ->group(what);
    compare
        ->add_option("--ablate", a->ablate,
                     "run each flow again without each of these in turn: cache, batch, pinned, graphs")
        ->type_name("LIST")
        ->group(what);
    compare->add_option("--limit", a->request.limit, "number of frames to use; fewer if they exceed 1 GiB")
        ->type_name("N")
        ->check(CLI::PositiveNumber.description(""))
        ->capture_default_str()
        ->group(what);
    compare->add_option("--start", a->request.start_seconds, "start at this time in the input")
        ->type_name("SECONDS")
        ->check(CLI::NonNegativeNumber.description(""))
        ->group(what);
    const auto output = "Output";
    compare->add_option("-o,--out", a->out, "write compare.csv, .md, .json and .svg to this folder")
        ->type_name("DIR")
        ->group(output);
    compare->add_flag("--quiet,!--no-quiet", a->quiet, "show no progress")->group(output);
    compare->add_flag("--json,!--no-json", a->json, "print a JSON object instead of the table")->group(output);
    add_engine_options(*compare, a->engine);
    compare->remove_option(compare->get_option("--flow"));
    compare->remove_option(compare->get_option("--detect"));  // in every frame, or --detect-every
    give_examples(*compare, {{"How each flow moves frames, on a device made of host memory",
                              "faceflow compare clip.mp4 --device emulated"},
                             {"What the cache and batching contribute to one flow",
                              "faceflow compare clip.mp4 --device emulated --flows cached --ablate cache,batch"},
                             {"Reports and a figure for 100 frames on a GPU",
                              "faceflow compare clip.mp4 --device cuda --limit 100 --out compare"}});
    return {compare, [a](const given& options) { return execute(*a, options); }};
}

}  // namespace faceflow::internal::cli
