// SPDX-License-Identifier: Apache-2.0
// A whole run beside its parts: decoding alone, the models alone, and everything, in one process and in turns, so that
// their ratio holds on a machine whose speed wanders. bench/README.md explains each figure.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "core/processors.hpp"
#include "costs.hpp"
#include "machine.hpp"
#include "phases.hpp"
#include "report_file.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using namespace faceflow::internal::bench;
using nlohmann::ordered_json;

template <class T>
T value_or_exit(result<T> r) {
    if (r) return std::move(*r);
    fmt::print(stderr, "end_to_end: {}\n", r.error().message);
    std::exit(1);
}

// Linear between neighbours; q from 0 to 1.
double quantile(std::vector<double> v, double q) {
    std::sort(v.begin(), v.end());
    const double at = q * static_cast<double>(v.size() - 1);
    const auto low = static_cast<std::size_t>(at), high = std::min(low + 1, v.size() - 1);
    return v[low] + (at - static_cast<double>(low)) * (v[high] - v[low]);
}

struct turn {
    decode_cost decode;
    model_bench::cost models;
    whole_cost whole, start;  // the whole clip; one frame, which is all that happens once
};

template <class Get>
double median_of(const std::vector<turn>& rounds, Get get) {
    std::vector<double> v;
    for (const auto& r : rounds)
        v.push_back(get(r));
    return quantile(std::move(v), 0.5);
}

double ms_per_frame(double seconds, std::uint64_t frames) {
    return seconds / static_cast<double>(frames) * 1e3;
}

double ratio_of(const turn& r) {
    return ms_per_frame(r.whole.seconds, r.whole.frames) /
           (ms_per_frame(r.decode.seconds, r.decode.frames) + ms_per_frame(r.models.seconds, r.models.frames));
}

double whole_cpu_ms(const turn& r) {
    return ms_per_frame(r.whole.cpu_seconds - r.start.cpu_seconds, r.whole.frames - r.start.frames);
}

// The same in CPU time, which other processes that take cores away touch less: work that is neither decoding nor models.
double cpu_ratio_of(const turn& r) {
    return whole_cpu_ms(r) /
           (ms_per_frame(r.decode.cpu_seconds, r.decode.frames) + ms_per_frame(r.models.cpu_seconds, r.models.frames));
}

// The round in the middle by its ratio: what the table of stages is made from.
const turn& typical(const std::vector<turn>& rounds) {
    const double middle = median_of(rounds, ratio_of);
    return *std::min_element(rounds.begin(), rounds.end(), [&](const turn& a, const turn& b) {
        return std::abs(ratio_of(a) - middle) < std::abs(ratio_of(b) - middle);
    });
}

ordered_json report(const std::string& clip, const first_run& first, const std::vector<turn>& rounds,
                    const machine_limits& limits, unsigned cores) {
    ordered_json j;
    const turn& middle = typical(rounds);
    j["clip"] = clip.substr(clip.rfind('/') + 1);
    j["width"] = middle.decode.width;
    j["height"] = middle.decode.height;
    j["frames"] = middle.whole.frames;
    j["faces"] = middle.whole.faces;
    j["tracks"] = middle.whole.tracks;
    j["rounds"] = rounds.size();
    j["cores"] = cores;
    const double whole = median_of(rounds, [](const turn& r) { return ms_per_frame(r.whole.seconds, r.whole.frames); });
    j["ms_per_frame"] = {
        {"decode", median_of(rounds, [](const turn& r) { return ms_per_frame(r.decode.seconds, r.decode.frames); })},
        {"models", median_of(rounds, [](const turn& r) { return ms_per_frame(r.models.seconds, r.models.frames); })},
        {"end_to_end", whole},
        {"with_start_and_finish",
         median_of(rounds, [](const turn& r) { return ms_per_frame(r.whole.wall_seconds, r.whole.frames); })}};
    j["ratio"] = median_of(rounds, ratio_of);
    std::vector<double> ratios;
    for (const auto& r : rounds)
        ratios.push_back(ratio_of(r));
    j["ratio_quartiles"] = {quantile(ratios, 0.25), quantile(ratios, 0.75)};
    j["ratio_of_each_round"] = ratios;
    // Where rounds differ much, this and the median of the ratios differ too, and neither says much.
    const auto& ms = j["ms_per_frame"];
    j["ratio_of_medians"] = whole / (ms["decode"].get<double>() + ms["models"].get<double>());
    const auto cpu = [&](auto get) {
        return median_of(rounds, [&](const turn& r) { return ms_per_frame(get(r).cpu_seconds, get(r).frames); });
    };
    j["cpu_ms_per_frame"] = {{"decode", cpu([](const turn& r) { return r.decode; })},
                             {"models", cpu([](const turn& r) { return r.models; })},
                             {"end_to_end", median_of(rounds, whole_cpu_ms)}};
    j["cpu_ratio"] = median_of(rounds, cpu_ratio_of);
    j["fps"] = 1e3 / whole;
    j["fps_if_cores_were_its_own"] = cores * 1e3 / j["cpu_ms_per_frame"]["end_to_end"].get<double>();
    j["other_processes"] = median_of(rounds, [](const turn& r) { return r.whole.others; });
    j["first_result_ms"] = first.first_result_seconds * 1e3;
    j["resident_mb"] = {{"half", first.half_bytes / 1e6},
                        {"end", first.end_bytes / 1e6},
                        {"growth", (first.end_bytes - first.half_bytes) / 1e6}};
    j["limits"] = {{"copy_gb_per_second", limits.copy_bytes_per_second / 1e9},
                   {"fma_gflops", limits.flops_per_second / 1e9}};
    for (const auto& s : stage_costs(middle.decode, middle.whole)) {
        const floor_of_stage f = floor_for(s, limits, cores);
        j["stages"].push_back({{"name", s.name},
                               {"core_ms", s.ms},
                               {"mb", s.bytes / 1e6},
                               {"mflop", s.flops / 1e6},
                               {"memory_floor_ms", f.memory_ms},
                               {"compute_floor_ms", f.compute_ms},
                               {"share_of_limit", f.share},
                               {"nearest_limit", f.nearest}});
    }
    return j;
}

void print(const ordered_json& j) {
    const auto number = [](const ordered_json& v) { return v.get<double>(); };
    const auto& ms = j["ms_per_frame"];
    fmt::print("{}: {}x{}, {} frames a round, {} faces, {} tracks; {} cores, medians of {} rounds\n\n",
               j["clip"].get<std::string>(), j["width"].get<int>(), j["height"].get<int>(), j["frames"].get<int>(),
               j["faces"].get<int>(), j["tracks"].get<int>(), j["cores"].get<int>(), j["rounds"].get<int>());
    fmt::print("| measured | value |\n| --- | --- |\n");
    fmt::print("| decode alone | {:.2f} ms a frame |\n", number(ms["decode"]));
    fmt::print("| models alone | {:.2f} ms a frame |\n", number(ms["models"]));
    fmt::print("| end to end | {:.2f} ms a frame, {:.1f} fps |\n", number(ms["end_to_end"]), number(j["fps"]));
    fmt::print(
        "| end to end / (decode + models) | {:.3f} (half of the rounds from {:.3f} to {:.3f}; of the medians {:.3f}) "
        "|\n",
        number(j["ratio"]), number(j["ratio_quartiles"][0]), number(j["ratio_quartiles"][1]),
        number(j["ratio_of_medians"]));
    const auto& cpu = j["cpu_ms_per_frame"];
    fmt::print("| CPU time of each | {:.2f}, {:.2f} and {:.2f} ms a frame; ratio {:.3f} |\n", number(cpu["decode"]),
               number(cpu["models"]), number(cpu["end_to_end"]), number(j["cpu_ratio"]));
    fmt::print("| CPU time of all cores / CPU time a frame | {:.1f} fps |\n", number(j["fps_if_cores_were_its_own"]));
    fmt::print("| taken by other processes meanwhile | {:.0f} % of the cores |\n", 100 * number(j["other_processes"]));
    fmt::print("| first result | {:.0f} ms after the process started |\n", number(j["first_result_ms"]));
    fmt::print("| peak resident memory | {:.0f} MB at half of the clip, {:.0f} MB at its end (+{:.1f}) |\n",
               number(j["resident_mb"]["half"]), number(j["resident_mb"]["end"]), number(j["resident_mb"]["growth"]));
    fmt::print("| memcpy, all cores | {:.1f} GB/s (read + written) |\n", number(j["limits"]["copy_gb_per_second"]));
    fmt::print("| multiply-adds, all cores | {:.0f} GFLOP/s |\n\n", number(j["limits"]["fma_gflops"]));
    fmt::print(
        "| stage, a frame | core ms | MB | MFLOP | memory floor, ms | arithmetic floor, ms | of the nearer | which is "
        "|\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (const auto& s : j["stages"]) {
        fmt::print("| {} | {:.3f} | {:.3f} | {:.2f} | {:.3f} | {:.3f} | {:.0f} % | {} |\n",
                   s["name"].get<std::string>(), number(s["core_ms"]), number(s["mb"]), number(s["mflop"]),
                   number(s["memory_floor_ms"]), number(s["compute_floor_ms"]), 100 * number(s["share_of_limit"]),
                   s["nearest_limit"].get<std::string>());
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::string clip = FACEFLOW_SOURCE_DIR "/assets/demo.mp4", json_path;
    unsigned wanted_rounds = 3;
    double seconds = 0;
    std::uint64_t limit = UINT64_MAX, round_frames = 150;
    CLI::App app("Measures a whole run beside decoding alone and the models alone");
    app.add_option("clip", clip, "video file");
    app.add_option("--rounds", wanted_rounds, "how often each is measured, in turns")->check(CLI::Range(1u, 100u));
    app.add_option("--seconds", seconds, "begin no further round after so many seconds; 0: no limit");
    app.add_option("--frames", limit, "frames of the clip to use");
    app.add_option(
        "--round-frames", round_frames,
        "frames that a round measures; short rounds in quick turns keep a wandering machine out of the ratio");
    app.add_option("--json", json_path, "write the figures there, too");
    CLI11_PARSE(app, argc, argv);

    // First, while nothing but a run has touched this process.
    const auto first = value_or_exit(first_pass(clip, limit));
    const auto cores = static_cast<unsigned>(usable_processors());
    auto limits = measure_limits(cores);
    auto models = value_or_exit(model_bench::create());
    value_or_exit(models->run(2 * cores));

    const auto begun = std::chrono::steady_clock::now();
    const std::uint64_t each = std::min(limit, round_frames);
    std::vector<turn> rounds;
    for (unsigned i = 0; i < wanted_rounds; ++i) {
        const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        if (i > 0 && seconds > 0 && spent > seconds) break;
        turn r;
        r.decode = value_or_exit(decode_alone(clip, each));
        r.models = value_or_exit(models->run(r.decode.frames));
        r.whole = value_or_exit(end_to_end(clip, each));
        r.start = value_or_exit(end_to_end(clip, 1));
        rounds.push_back(r);
        const machine_limits again = measure_limits(cores);
        limits.copy_bytes_per_second = std::max(limits.copy_bytes_per_second, again.copy_bytes_per_second);
        limits.flops_per_second = std::max(limits.flops_per_second, again.flops_per_second);
    }
    const ordered_json j = report(clip, first, rounds, limits, cores);
    print(j);
    return write_report(json_path, j.dump(2) + "\n") ? 0 : 1;
}
