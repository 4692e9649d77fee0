#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "faceflow/client.h"
#include "telemetry/histogram.hpp"

namespace faceflow::cli {
namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct arguments {
    std::string path, policy = "latest";
    std::uint64_t frames = 0;
    std::uint32_t leases = 4;
    bool json = false;
};

struct closer {
    void operator()(ff_client* c) const { ff_client_close(c); }
};

// What came since it was made: of a second, or of all the time.
struct tally {
    std::uint64_t frames = 0, dropped = 0;
    clock::time_point since = clock::now();
    std::unique_ptr<histogram> latency = std::make_unique<histogram>();

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
                {"latency_ms", {{"p50", latency->quantile_ms(0.5)}, {"p99", latency->quantile_ms(0.99)}}}};
    }
    std::string in_words() const {
        return fmt::format("{} frames in {:.1f} s, {} dropped, hand-off p50 {:.3f} ms, p99 {:.3f} ms", frames,
                           seconds(), dropped, latency->quantile_ms(0.5), latency->quantile_ms(0.99));
    }
};

void show(const tally& t, bool json, bool whole) {
    if (json) {
        auto line = t.to_json();
        line["total"] = whole;
        fmt::print("{}\n", line.dump());
    } else {
        fmt::print("{}{}\n", whole ? "in all: " : "", t.in_words());
    }
    std::fflush(stdout);
}

int exit_of(int status, ff_client* c) {
    if (status >= 0 || status == FF_ENDED) return exit_done;
    fmt::print(stderr, "faceflow: {}\n", ff_last_error(c));
    return status == FF_E_ARGUMENT ? exit_usage : status == FF_E_NOT_FOUND ? exit_input : exit_failed;
}

int execute(const arguments& a) {
    const std::unique_ptr<ff_client, closer> client(ff_client_new());
    ff_options options{};
    options.leases = a.leases;
    options.policy = a.policy == "fifo" ? FF_FIFO : FF_LATEST;
    if (const int status = ff_client_connect(client.get(), a.path.empty() ? nullptr : a.path.c_str(), &options);
        status != FF_OK)
        return exit_of(status, client.get());
    const auto& stop = stop_on_signals();
    tally all, second;
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
            show(second, a.json, false);
            second = {};
        }
    }
    show(all, a.json, true);
    return exit_of(status, client.get());
}

}  // namespace

declared add_attach(CLI::App& app) {
    auto a = std::make_shared<arguments>();
    auto* attach = app.add_subcommand("attach", "read the frames of a faceflow share, and say how they come");
    attach->add_option("PATH", a->path, "the socket of the share; default: where share listens without --socket")
        ->type_name("PATH");
    attach->add_option("--frames", a->frames, "stop after N frames; 0: at the end")
        ->type_name("N")
        ->capture_default_str();
    attach->add_option("--leases", a->leases, "frames held or waiting at a time, 1 to 64")
        ->type_name("N")
        ->check(CLI::Range(1, 64).name("").description(""))
        ->capture_default_str();
    attach->add_option("--policy", a->policy, "latest: newer frames overtake unread ones; fifo: they do not")
        ->type_name("NAME")
        ->check(CLI::IsMember({"latest", "fifo"}))
        ->capture_default_str();
    attach->add_flag("--json,!--no-json", a->json, "a JSON object a second, and one for all at the end");
    return {attach, [a] { return execute(*a); }};
}

}  // namespace faceflow::cli
