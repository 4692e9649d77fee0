// SPDX-License-Identifier: Apache-2.0
// How long a run of several processes is without results when a stage process dies, hangs or runs out of memory: a camera at a
// steady rate, its pictures decoded beforehand, and the gaps between results, before and after. bench/README.md explains each figure.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.hpp"
#include "flow/option_table.hpp"
#include "media/source.hpp"
#include "report_file.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
namespace fs = std::filesystem;
using clock_type = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct cause {
    const char* name;
    int signal;
};
constexpr std::array<cause, 4> causes{
    {{"killed", SIGKILL}, {"hung", SIGSTOP}, {"aborted", SIGABRT}, {"out of memory", SIGUSR1}}};

struct arguments {
    std::string input = FACEFLOW_SOURCE_DIR "/assets/demo.mp4", json;
    options chosen;
    std::vector<std::string> flows{"copied", "cached", "shared"};
    int frames = 32;  // kept in memory, shown over and over
    int rounds = 6;   // of each flow and cause; each stage process has its turns
    double fps = 20, calm = 1.5, after = 2;
};

std::vector<host_frame> load(const arguments& a) {
    auto source = media::open_source(a.input, {});
    std::vector<host_frame> frames;
    while (source && static_cast<int>(frames.size()) < a.frames) {
        auto next = (*source)->next();
        if (!next || !*next) break;
        frames.push_back((*next)->frame);
    }
    return frames;
}

// The processes that this one has started, the oldest first.
std::vector<pid_t> children() {
    std::vector<pid_t> found;
    for (const auto& thread : fs::directory_iterator("/proc/self/task")) {
        std::ifstream list(thread.path() / "children");
        for (pid_t id = 0; list >> id;)
            found.push_back(id);
    }
    std::sort(found.begin(), found.end());
    return found;
}

clock_type::duration seconds(double s) {
    return std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(s));
}

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// When results came.
class result_times {
public:
    void add() {
        const std::lock_guard lock(mutex_);
        times_.push_back(clock_type::now());
    }
    // Milliseconds between results, from the last one before `begin` to the first one from `end` on, or to `end`.
    std::vector<double> gaps(clock_type::time_point begin, clock_type::time_point end) const {
        const std::lock_guard lock(mutex_);
        std::vector<double> found;
        const auto first = std::lower_bound(times_.begin(), times_.end(), begin);
        auto before = first == times_.begin() ? begin : *(first - 1);
        for (auto at = first; before < end; ++at) {
            const auto next = at != times_.end() ? *at : end;
            found.push_back(std::chrono::duration<double, std::milli>(next - before).count());
            if (at == times_.end()) break;
            before = *at;
        }
        return found;
    }

private:
    mutable std::mutex mutex_;
    std::vector<clock_type::time_point> times_;
};

struct measured {
    std::vector<double> ordinary, longest;  // ms: of each round, the median gap before; the longest one after
    std::uint64_t lost = 0;                 // frames, in all rounds
};

result<measured> measure(const arguments& a, const std::vector<host_frame>& frames, const std::string& flow,
                         const cause& why) {
    result_times times;
    measured m;
    face_engine::setup setup;
    setup.chosen = a.chosen;
    setup.chosen.flow = flow::value_of<&options::flow>(flow).value();
    setup.chosen.pacing = pacing::live;
    setup.on_result = [&](const host_frame&, const result<frame_faces>& r) {
        if (r) times.add();
    };
    auto engine = face_engine::create(std::move(setup));
    if (!engine) return tl::unexpected(std::move(engine.error()));
    face_engine& e = **engine;
    e.begin_source(0);
    std::jthread camera([&](const std::stop_token& stop) {
        auto at = clock_type::now();
        for (std::uint64_t n = 0; !stop.stop_requested(); ++n, at += seconds(1 / a.fps)) {
            std::this_thread::sleep_until(at);
            host_frame f = frames[n % frames.size()];
            f.id = {0, n};
            f.pts_ns = static_cast<std::int64_t>(static_cast<double>(n) / a.fps * 1e9);
            f.captured = clock_type::now();
            (void)e.submit(std::move(f));
        }
        e.end_source(0);
    });
    std::this_thread::sleep_for(seconds(1));  // warm
    for (int round = 0; round < a.rounds; ++round) {
        const auto begin = clock_type::now();
        std::this_thread::sleep_for(seconds(a.calm));
        const auto stages = children();
        if (stages.empty()) return fail(errc::internal, "no stage process is there");
        const auto struck = clock_type::now();
        ::kill(stages[static_cast<std::size_t>(round) % stages.size()], why.signal);
        std::this_thread::sleep_for(seconds(a.after));
        const auto after = times.gaps(struck, struck + seconds(a.after));
        m.ordinary.push_back(median(times.gaps(begin, struck)));
        m.longest.push_back(*std::max_element(after.begin(), after.end()));
    }
    camera.request_stop();
    camera.join();
    e.drain();
    if (auto health = e.health(); !health) return tl::unexpected(std::move(health.error()));
    const auto dropped = e.counters().dropped.snapshot();
    if (const auto lost = dropped.find("stage_lost"); lost != dropped.end()) m.lost = lost->second;
    return m;
}

}  // namespace

int main(int argc, char** argv) {
    arguments a;
    a.chosen.device = "emulated";
    CLI::App app("what the end of a stage process costs");
    app.add_option("INPUT", a.input);
    app.add_option("--device", a.chosen.device);
    app.add_option("--flows", a.flows)->delimiter(',');
    app.add_option("--rounds", a.rounds)->check(CLI::Range(1, 1000));
    app.add_option("--fps", a.fps);
    app.add_option("--calm", a.calm, "seconds before each");
    app.add_option("--after", a.after, "seconds behind each");
    app.add_option("--stage-timeout", a.chosen.stage_timeout, "seconds");
    app.add_option("--json", a.json);
    CLI11_PARSE(app, argc, argv);
    const auto frames = load(a);
    // The same stage process, but that it can be made to run out of memory; from the tests.
    const fs::path stage = fs::read_symlink("/proc/self/exe").parent_path() / "faceflow-stage-starving";
    if (frames.empty() || !fs::exists(stage)) {
        fmt::print(stderr, "recovery: {} has no frames, or {} is not built\n", a.input, stage.string());
        return 1;
    }
    ::setenv("FACEFLOW_STAGE", stage.c_str(), 1);
    const unsigned cores = std::thread::hardware_concurrency();
    fmt::print(
        "A camera of {} frames a second on {}, {} cores; {} rounds, each stage process in turn; ms between results\n\n",
        a.fps, a.chosen.device, cores, a.rounds);
    fmt::print(
        "| flow | stage process | ordinary gap | longest gap, median | least | most | frames lost a time |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
    ordered_json all{{"device", a.chosen.device},
                     {"cores", cores},
                     {"camera_fps", a.fps},
                     {"rounds", a.rounds},
                     {"stage_timeout_s", a.chosen.stage_timeout},
                     {"rows", ordered_json::array()}};
    for (const auto& flow : a.flows) {
        for (const cause& why : causes) {
            const auto m = measure(a, frames, flow, why);
            if (!m) {
                fmt::print(stderr, "recovery: {}, {}: {}\n", flow, why.name, m.error().message);
                return 1;
            }
            const auto [least, most] = std::minmax_element(m->longest.begin(), m->longest.end());
            const double lost = static_cast<double>(m->lost) / a.rounds;
            fmt::print("| {} | {} | {:.1f} | {:.0f} | {:.0f} | {:.0f} | {:.1f} |\n", flow, why.name,
                       median(m->ordinary), median(m->longest), *least, *most, lost);
            std::fflush(stdout);
            all["rows"].push_back({{"flow", flow},
                                   {"cause", why.name},
                                   {"ordinary_ms", median(m->ordinary)},
                                   {"longest_ms", median(m->longest)},
                                   {"each_longest_ms", m->longest},
                                   {"lost_frames", lost}});
        }
    }
    return bench::write_report(a.json, all.dump(2) + "\n") ? 0 : 1;
}
