// SPDX-License-Identifier: Apache-2.0
// One device beside several: recorded clips through a whole run on each --device in turns. With a second device that helps, frames a
// second grow; frames a pass say whether its lanes get full passes. bench/README.md explains each figure.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/run.hpp"
#include "flow/option_table.hpp"
#include "report_file.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

struct arguments {
    std::vector<std::string> inputs{FACEFLOW_SOURCE_DIR "/assets/demo.mp4"}, devices;
    run_request wanted;
    int clips = 16, rounds = 3;
    std::string json;
};

struct figures {
    double fps = 0, frames_a_pass = 0;
};

// Of one run; what it writes is thrown away.
result<figures> measure(const arguments& a, const std::string& device) {
    run_request r = a.wanted;
    r.chosen.device = device;
    r.inputs.clear();
    for (int i = 0; i < a.clips; ++i)
        r.inputs.push_back(a.inputs[static_cast<std::size_t>(i) % a.inputs.size()]);
    const std::atomic<bool> stop{false};
    auto done = run(r, stop, {});
    if (!done) return tl::unexpected(std::move(done.error()));
    // A pass has one download and one wait.
    const auto down = (*done->summary)["transfers"]["device_to_host"]["count"].get<double>();
    return figures{static_cast<double>(done->frames) / done->seconds,
                   static_cast<double>(done->frames) / std::max(1.0, down)};
}

double median(std::vector<double> v) {
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
}

struct row {
    std::string device;
    std::vector<double> fps, frames_a_pass, beside_first;
};

// In turns, so that the ratio of a round holds on a machine whose speed wanders.
result<void> take_turns(const arguments& a, std::vector<row>& rows) {
    for (int i = 0; i < a.rounds; ++i) {
        for (row& r : rows) {
            auto f = measure(a, r.device);
            if (!f) return fail(f.error().code, r.device + ": " + f.error().message);
            r.fps.push_back(f->fps);
            r.frames_a_pass.push_back(f->frames_a_pass);
            r.beside_first.push_back(f->fps / rows.front().fps.back());
        }
    }
    return {};
}

ordered_json show(const arguments& a, const std::vector<row>& rows) {
    ordered_json j{
        {"clips", a.clips}, {"rounds", a.rounds}, {"decode", a.wanted.decode}, {"rows", ordered_json::array()}};
    fmt::print("| devices | frames/s | beside the first | frames a pass |\n| --- | ---: | ---: | ---: |\n");
    for (const row& r : rows) {
        const double fps = median(r.fps), beside = median(r.beside_first), filled = median(r.frames_a_pass);
        fmt::print("| {} | {:.1f} | {:.2f} | {:.2f} |\n", r.device, fps, beside, filled);
        j["rows"].push_back({{"devices", r.device}, {"fps", fps}, {"beside_first", beside}, {"frames_a_pass", filled}});
    }
    return j;
}

}  // namespace

int main(int argc, char** argv) {
    arguments a;
    a.devices = {"emulated:1", "emulated:2"};
    a.wanted.formats = {media::format_of_file("faces.ndjson")};
    a.wanted.video = false;
    CLI::App app("recorded clips on one device and on several");
    app.add_option("INPUT", a.inputs, "clips; taken in turns until there are --clips");
    app.add_option("--devices", a.devices, "as --device takes them, the first to be compared with: cuda:0 cuda:0,1")
        ->capture_default_str();
    app.add_option("--clips", a.clips)->check(CLI::Range(1, 1024))->capture_default_str();
    app.add_option("--rounds", a.rounds)->check(CLI::Range(1, 100))->capture_default_str();
    app.add_option("--limit", a.wanted.limit, "frames of each clip");
    app.add_option("--decode", a.wanted.decode, "auto, gpu or cpu")->capture_default_str();
    app.add_option_function<std::string>(
        "--flow", [&](const std::string& f) { a.wanted.chosen.flow = flow::value_of<&options::flow>(f).value(); });
    app.add_option("--link", a.wanted.chosen.link, "of emulated devices")->capture_default_str();
    app.add_option("--lanes", a.wanted.chosen.tuning.lanes);
    app.add_option("--batch-frames", a.wanted.chosen.tuning.batch_frames);
    app.add_option("--detect-every", a.wanted.chosen.detect_every);
    app.add_option("--json", a.json);
    CLI11_PARSE(app, argc, argv);

    std::string folder = (fs::temp_directory_path() / "faceflow-devices-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) {
        fmt::print(stderr, "devices: no temporary folder\n");
        return 1;
    }
    a.wanted.out = folder;
    std::vector<row> rows;
    for (const auto& d : a.devices)
        rows.push_back({d, {}, {}, {}});
    const auto done = take_turns(a, rows);
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    if (!done) {
        fmt::print(stderr, "devices: {}\n", done.error().message);
        return 1;
    }
    return bench::write_report(a.json, show(a, rows).dump(2) + "\n") ? 0 : 1;
}
