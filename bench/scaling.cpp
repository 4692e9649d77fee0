// SPDX-License-Identifier: Apache-2.0
// How many live cameras a device holds: cameras at a steady rate, more of them step by step, until the 95th percentile of
// the time from capture to result passes a limit or frames are dropped. With --search their number is doubled until then and the
// limit is bisected. Pictures are decoded beforehand and come from memory, so that it is the device that is measured.
// bench/README.md explains each figure.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "analysis/figure.hpp"
#include "engine/engine.hpp"
#include "flow/option_table.hpp"
#include "media/source.hpp"
#include "report_file.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using clock_type = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct arguments {
    std::string input = FACEFLOW_SOURCE_DIR "/assets/demo.mp4", json;
    options chosen;
    std::vector<int> cameras{1, 2, 4, 8, 16, 24, 32, 48, 64, 80, 96, 128};
    int frames = 32;  // kept in memory, shown over and over
    double fps = 30, seconds = 3, warm_up = 3, limit_ms = 33;
    bool search = false;
    int from = 1;       // cameras that a search begins with
    int most = 1024;    // cameras that a search tries
    double budget = 0;  // seconds after which no further step begins; 0: none
    std::string svg;
};

struct step {
    int cameras = 0;
    std::uint64_t sent = 0, results = 0, faces = 0, dropped = 0, failed = 0;
    double p50 = 0, p95 = 0, p99 = 0, syncs = 0, up_bytes = 0, peak_bytes = 0;
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

result<step> measure(const arguments& a, const std::vector<host_frame>& frames, int cameras) {
    std::mutex mutex;
    std::vector<double> latencies;
    step s{.cameras = cameras};
    std::atomic<bool> counting{false};
    face_engine::setup setup;
    setup.chosen = a.chosen;
    setup.chosen.pacing = pacing::live;
    setup.sources = static_cast<std::size_t>(cameras);
    setup.on_result = [&](const host_frame& f, const result<frame_faces>& r) {
        if (!counting) return;
        const double ms = std::chrono::duration<double, std::milli>(clock_type::now() - f.captured).count();
        const std::lock_guard lock(mutex);
        if (!r) {
            ++s.failed;
            return;
        }
        ++s.results;
        s.faces += r->faces.size();
        latencies.push_back(ms);
    };
    auto engine = face_engine::create(std::move(setup));
    if (!engine) return tl::unexpected(std::move(engine.error()));
    face_engine& e = **engine;
    const auto begun = clock_type::now();
    const auto warm =
        begun + std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(a.warm_up));
    const auto end = warm + std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(a.seconds));
    const auto period = std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(1 / a.fps));
    std::atomic<std::uint64_t> sent{0}, dropped{0};
    std::uint64_t syncs = 0, up = 0;
    std::vector<std::thread> threads;
    for (int c = 0; c < cameras; ++c) {
        e.begin_source(static_cast<std::uint32_t>(c));
        threads.emplace_back([&, c] {
            // Cameras are not in step with one another.
            auto at = begun + period * c / cameras;
            for (std::uint64_t n = 0; at < end; ++n, at += period) {
                std::this_thread::sleep_until(at);
                host_frame f = frames[(n + static_cast<std::uint64_t>(c) * 7) % frames.size()];
                f.id = {static_cast<std::uint32_t>(c), n};
                f.pts_ns = static_cast<std::int64_t>(static_cast<double>(n) / a.fps * 1e9);
                f.captured = clock_type::now();
                const bool counts = counting;
                auto pushed = e.submit(std::move(f));
                if (!counts) continue;
                ++sent;
                if (pushed) dropped += *pushed;
            }
        });
    }
    std::this_thread::sleep_until(warm);
    for (const auto& d : e.devices()) {
        syncs += d->book().syncs();
        up += d->book().transfers(direction::host_to_device).bytes;
    }
    counting = true;
    for (auto& t : threads)
        t.join();
    counting = false;
    for (int c = 0; c < cameras; ++c)
        e.end_source(static_cast<std::uint32_t>(c));
    e.drain();
    if (auto health = e.health(); !health) return tl::unexpected(std::move(health.error()));
    s.sent = sent;
    s.dropped = dropped;
    for (const auto& d : e.devices()) {
        s.syncs += static_cast<double>(d->book().syncs());
        s.up_bytes += static_cast<double>(d->book().transfers(direction::host_to_device).bytes);
    }
    s.syncs = (s.syncs - static_cast<double>(syncs)) / std::max(1.0, static_cast<double>(s.results));
    s.up_bytes = (s.up_bytes - static_cast<double>(up)) / a.seconds;
    s.peak_bytes = static_cast<double>(e.peak_device_bytes());
    std::sort(latencies.begin(), latencies.end());
    const auto at = [&](double q) {
        return latencies.empty() ? 0.0
                                 : latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))];
    };
    s.p50 = at(0.50);
    s.p95 = at(0.95);
    s.p99 = at(0.99);
    return s;
}

ordered_json json_of(const step& s) {
    return {{"cameras", s.cameras},
            {"frames", s.sent},
            {"results", s.results},
            {"faces", s.faces},
            {"dropped", s.dropped},
            {"failed", s.failed},
            {"p50_ms", s.p50},
            {"p95_ms", s.p95},
            {"p99_ms", s.p99},
            {"syncs_per_frame", s.syncs},
            {"upload_bytes_per_second", s.up_bytes},
            {"peak_device_bytes", s.peak_bytes}};
}

class scaling {
public:
    scaling(const arguments& a, const std::vector<host_frame>& frames) : wanted_(a), frames_(frames) {}

    // False once there is nothing more to learn: a step that could not be measured, or no time left.
    bool measured(int cameras) {
        if (wanted_.budget > 0 && std::chrono::duration<double>(clock_type::now() - begun_).count() > wanted_.budget) {
            fmt::print(stderr, "scaling: the time is up before {} cameras\n", cameras);
            cut_short_ = true;
            return false;
        }
        const auto s = measure(wanted_, frames_, cameras);
        if (!s) {
            fmt::print(stderr, "scaling: {} cameras: {}\n", cameras, s.error().message);
            failed_ = true;
            return false;
        }
        fmt::print("| {} | {:.1f} | {:.2f} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.0f} |\n", cameras,
                   static_cast<double>(s->results) / wanted_.seconds,
                   s->results > 0 ? static_cast<double>(s->faces) / static_cast<double>(s->results) : 0, s->dropped,
                   s->p50, s->p95, s->p99, s->syncs, s->up_bytes / 1e9, s->peak_bytes / 1e6);
        std::fflush(stdout);
        steps_.push_back(*s);
        return true;
    }
    // The last step.
    [[nodiscard]] bool holds() const {
        const step& s = steps_.back();
        return s.p95 < wanted_.limit_ms && s.failed == 0 && s.dropped * 100 <= s.sent && s.results > 0;
    }

    void in_steps() {
        for (const int n : wanted_.cameras) {
            if (!measured(n) || !holds()) return;
            held_ = n;
        }
    }

    // To a sixteenth of what it holds, which is about as well as a step can be measured again.
    void by_search() {
        int beyond = 0;
        for (int n = wanted_.from; beyond == 0 && n <= wanted_.most; n *= 2) {
            if (!measured(n)) return;
            (holds() ? held_ : beyond) = n;
        }
        while (beyond - held_ > std::max(1, held_ / 16)) {
            const int n = held_ + (beyond - held_) / 2;
            if (!measured(n)) return;
            (holds() ? held_ : beyond) = n;
        }
    }

    [[nodiscard]] int held() const { return held_; }
    [[nodiscard]] bool failed() const { return failed_; }

    [[nodiscard]] ordered_json json() const {
        ordered_json j{{"held", held_},
                       {"limit_ms", wanted_.limit_ms},
                       {"camera_fps", wanted_.fps},
                       {"complete", !cut_short_ && !failed_},
                       {"steps", ordered_json::array()}};
        for (const step& s : steps_)
            j["steps"].push_back(json_of(s));
        return j;
    }

    [[nodiscard]] std::string svg() const {
        std::vector<step> steps = steps_;
        std::sort(steps.begin(), steps.end(), [](const step& a, const step& b) { return a.cameras < b.cameras; });
        analysis::bar_chart latency{
            "From capture to result, p95", fmt::format("lower is better; the limit is {} ms", wanted_.limit_ms), {}},
            rate{"Results a second", "of all cameras together", {}};
        for (const step& s : steps) {
            const std::string label = fmt::format("{} camera{}", s.cameras, s.cameras == 1 ? "" : "s");
            const double results = static_cast<double>(s.results) / wanted_.seconds;
            const auto shade = s.cameras <= held_ ? analysis::bar::shade::usual : analysis::bar::shade::reference;
            latency.bars.push_back({label, fmt::format("{:.1f} ms", s.p95), s.p95, shade});
            rate.bars.push_back({label, fmt::format("{:.0f}", results), results, shade});
        }
        return analysis::render_bars("Live cameras on one device",
                                     fmt::format("{} at {} frames a second are held", held_, wanted_.fps),
                                     std::array{std::move(latency), std::move(rate)});
    }

private:
    const arguments& wanted_;
    const std::vector<host_frame>& frames_;
    const clock_type::time_point begun_ = clock_type::now();
    std::vector<step> steps_;
    int held_ = 0;
    bool failed_ = false, cut_short_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    arguments a;
    CLI::App app("cameras that a device holds");
    app.add_option("INPUT", a.input);
    app.add_option("--device", a.chosen.device);
    app.add_option_function<std::string>(
        "--flow", [&](const std::string& f) { a.chosen.flow = flow::value_of<&options::flow>(f).value(); });
    app.add_option("--batch-frames", a.chosen.tuning.batch_frames);
    app.add_option("--lanes", a.chosen.tuning.lanes);
    app.add_option("--threads", a.chosen.threads, "of the CPU; with less than 4 nobody helps to pack frames");
    app.add_option("--detect-every", a.chosen.detect_every,
                   "frames from one detection to the next; faces are followed between");
    app.add_option("--max-faces", a.chosen.max_faces, "of a frame; others are left out");
    app.add_option("--batch-deadline-ms", a.chosen.tuning.batch_deadline_ms);
    auto* const steps = app.add_option("--cameras", a.cameras, "the steps")->delimiter(',');
    app.add_flag("--search", a.search, "double the cameras until the limit is passed, then bisect")->excludes(steps);
    app.add_option("--from", a.from, "cameras that a search begins with")->check(CLI::Range(1, 4096));
    app.add_option("--most", a.most, "cameras that a search tries")->check(CLI::Range(1, 4096));
    app.add_option("--budget", a.budget, "seconds after which no further step begins");
    app.add_option("--fps", a.fps);
    app.add_option("--seconds", a.seconds);
    app.add_option("--warm-up", a.warm_up);
    app.add_option("--limit-ms", a.limit_ms);
    app.add_option("--device-memory", a.chosen.device_memory, "bytes");
    app.add_option_function<std::string>(
           "--precision",
           [&](const std::string& p) { a.chosen.precision = flow::value_of<&options::precision>(p).value(); },
           "what models compute in on CUDA")
        ->check(CLI::IsMember({"fp32", "tf32", "fp16"}));
    app.add_option("--cache-ttl", a.chosen.tuning.cache_ttl);
    app.add_option("--json", a.json);
    app.add_option("--svg", a.svg);
    CLI11_PARSE(app, argc, argv);
    const auto frames = load(a);
    if (frames.empty()) {
        fmt::print(stderr, "scaling: {} has no frames\n", a.input);
        return 1;
    }
    fmt::print(
        "| cameras | frames/s | faces/frame | dropped | p50 ms | p95 ms | p99 ms | host syncs/frame | upload GB/s | "
        "pool MB |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    scaling all(a, frames);
    if (a.search) {
        all.by_search();
    } else {
        all.in_steps();
    }
    fmt::print("\n{} cameras of {} frames a second with p95 under {} ms and at most 1 % dropped\n", all.held(), a.fps,
               a.limit_ms);
    const bool written =
        bench::write_report(a.json, all.json().dump(2) + "\n") && bench::write_report(a.svg, all.svg());
    return written && !all.failed() ? 0 : 1;
}
