// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "faceflow/client.h"
#include "telemetry/histogram.hpp"

namespace faceflow::internal::cli {
namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct attach_arguments {
    std::string path, policy = "latest";
    std::uint64_t frames = 0;
    std::uint32_t leases = 4;
    bool anticipate = false, json = false;
};

struct closer {
    void operator()(ff_client* c) const { ff_client_close(c); }
};

ff_stats stats_of(ff_client* c) {
    ff_stats s{};
    ff_client_get_stats(c, &s, sizeof s);
    return s;
}

// Counts over an interval: one second, or the whole time.
struct tally {
    std::uint64_t frames = 0, dropped = 0, met = 0, looking_ns = 0;
    ff_stats before;
    clock::time_point since = clock::now();
    std::unique_ptr<histogram> latency = std::make_unique<histogram>();

    explicit tally(ff_client* c) : before(stats_of(c)) {}
    void close(ff_client* c) {
        const ff_stats now = stats_of(c);
        met = now.met - before.met;
        looking_ns = now.looking_ns - before.looking_ns;
    }
    void add(const ff_frame_info& f, std::int64_t now_ns) {
        ++frames;
        dropped += f.dropped;
        latency->record(std::chrono::nanoseconds(now_ns - f.announced_ns));
    }
    double seconds() const { return std::chrono::duration<double>(clock::now() - since).count(); }
    nlohmann::json to_json() const {
        return {{"frames", frames},
                {"dropped", dropped},
                {"seconds", seconds()},
                {"met", met},
                {"looking_ms", static_cast<double>(looking_ns) / 1e6},
                {"latency_ms", {{"p50", latency->quantile_ms(0.5)}, {"p99", latency->quantile_ms(0.99)}}}};
    }
    std::string in_words() const {
        auto text = fmt::format("{} frames in {:.1f} s, {} dropped, hand-off p50 {:.3f} ms, p99 {:.3f} ms", frames,
                                seconds(), dropped, latency->quantile_ms(0.5), latency->quantile_ms(0.99));
        if (looking_ns > 0) {
            text += fmt::format(", {} met in {:.1f} % of the time", met,
                                static_cast<double>(looking_ns) / 1e7 / std::max(seconds(), 1e-3));
        }
        return text;
    }
};

void show(const tally& t, bool json, bool whole) {
    if (json) {
        auto line = t.to_json();
        line["total"] = whole;
        to_stdout("{}\n", line.dump());
    } else {
        to_stdout("{}{}\n", whole ? "in all: " : "", t.in_words());
    }
    std::fflush(stdout);
}

int exit_of(int status, ff_client* c) {
    if (status >= 0 || status == FF_ENDED) return exit_done;
    to_stderr("faceflow: {}\n", ff_last_error(c));
    return status == FF_E_ARGUMENT ? exit_usage : status == FF_E_NOT_FOUND ? exit_input : exit_failed;
}

int execute(const attach_arguments& a) {
    const std::unique_ptr<ff_client, closer> client(ff_client_new());
    ff_options options{};
    options.leases = a.leases;
    options.policy = a.policy == "fifo" ? FF_FIFO : FF_LATEST;
    options.anticipate = a.anticipate ? 1 : 0;
    if (const int status = ff_client_connect(client.get(), a.path.empty() ? nullptr : a.path.c_str(), &options);
        status != FF_OK)
        return exit_of(status, client.get());
    const auto& stop = stop_on_signals();
    tally all(client.get()), second(client.get());
    int status = FF_OK;
    while (!stop && (a.frames == 0 || all.frames < a.frames)) {
        ff_frame* frame = nullptr;
        status = ff_next(client.get(), 100, &frame);
        if (status < 0) break;
        if (frame != nullptr) {
            const auto now = std::chrono::nanoseconds(clock::now().time_since_epoch()).count();
            ff_frame_info info{};
            ff_frame_get_info(frame, &info, sizeof info);
            ff_frame_release(frame);
            all.add(info, now);
            second.add(info, now);
        }
        if (clock::now() - second.since >= 1s) {
            second.close(client.get());
            show(second, a.json, false);
            second = tally(client.get());
        }
    }
    all.close(client.get());
    show(all, a.json, true);
    return exit_of(status, client.get());
}

}  // namespace

declared add_attach(CLI::App& app) {
    auto a = std::make_shared<attach_arguments>();
    auto* attach = app.add_subcommand("attach", "read the frames of a faceflow share, and measure how they arrive");
    attach->add_option("PATH", a->path, "the socket of the share; default: the one that share uses without --socket")
        ->type_name("PATH");
    attach->add_option("--frames", a->frames, "stop after N frames; 0: when the share ends")
        ->type_name("N")
        ->capture_default_str();
    attach->add_option("--leases", a->leases, "number of frames held or waiting at the same time, 1 to 64")
        ->type_name("N")
        ->check(CLI::Range(1, 64).description(""))
        ->capture_default_str();
    one_of(*attach
                ->add_option("--policy", a->policy,
                             "whether newer frames replace unread ones (latest) or wait behind them (fifo)")
                ->capture_default_str(),
           {"latest", "fifo"});
    attach
        ->add_flag("--anticipate,!--no-anticipate", a->anticipate,
                   "wake up before a frame is due: lower latency, for up to 5 % of a core")
        ->default_str("off");
    attach->add_flag("--json,!--no-json", a->json, "print a JSON object every second, and a total at the end");
    give_examples(
        *attach,
        {{"Frames, drops and hand-off latency, once a second", "faceflow attach"},
         {"300 frames in order and without gaps, however late", "faceflow attach --frames 300 --policy fifo"},
         {"Lowest latency, from a share with its own socket", "faceflow attach ~/own/clip.sock --anticipate"}});
    return {attach, [a](const given&) { return execute(*a); }};
}

}  // namespace faceflow::internal::cli
