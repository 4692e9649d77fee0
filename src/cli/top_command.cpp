// SPDX-License-Identifier: Apache-2.0
// `faceflow top`: what a running service does, in a terminal.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "cli/token.hpp"
#include "core/try.hpp"
#include "serve/http_client.hpp"

namespace faceflow::internal::cli {
namespace {

using json = nlohmann::json;

struct top_arguments {
    std::string address = "http://127.0.0.1:8080/", token_file, certificate;
    double interval = 1;  // seconds
    bool once = false;
};

struct reading {
    json statistics, sources;
};

result<json> ask(const serve::service_address& from, const char* path, const std::string& token,
                 const std::string& certificate) {
    FACEFLOW_ASSIGN(const auto body, serve::get(from, path, token, certificate));
    json value = json::parse(body, nullptr, false);
    if (value.is_object()) return value;
    return fail(errc::unsupported, fmt::format("{} does not answer as a faceflow service", serve::to_text(from)));
}

double number(const json& of, const char* at) {
    const auto value = of.value(json::json_pointer(at), json());
    return value.is_number() ? value.get<double>() : 0;
}

double sum(const json& of) {
    double all = 0;
    for (const auto& n : of) {
        if (n.is_number()) all += n.get<double>();
    }
    return all;
}

std::string amount(double bytes) {
    constexpr std::pair<double, const char*> units[] = {{0x1p30, "GB"}, {0x1p20, "MB"}, {0x1p10, "kB"}};
    for (const auto& [size, unit] : units) {
        if (bytes >= size) return fmt::format("{:.{}f} {}", bytes / size, bytes < 10 * size ? 1 : 0, unit);
    }
    return fmt::format("{:.0f} B", bytes);
}

std::string duration(double seconds) {
    const auto s = static_cast<long>(seconds);
    return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

// What all devices moved, over all stages.
struct moved {
    double up = 0, up_bytes = 0, down = 0, down_bytes = 0, syncs = 0, pool = 0, cap = 0;
};

moved of_devices(const json& statistics) {
    moved m;
    for (const auto& d : statistics.value("devices", json::array())) {
        m.pool += number(d, "/pool_bytes");
        m.cap += number(d, "/pool_cap_bytes");
        const json stages = d.value("stages", json::object());
        for (const auto& stage : stages) {
            m.up += number(stage, "/host_to_device/count");
            m.up_bytes += number(stage, "/host_to_device/bytes");
            m.down += number(stage, "/device_to_host/count");
            m.down_bytes += number(stage, "/device_to_host/bytes");
            m.syncs += number(stage, "/syncs");
        }
    }
    return m;
}

std::string device_lines(const json& now, const json* before) {
    moved m = of_devices(now);
    double frames = number(now, "/frames");
    std::string lines = fmt::format("pool    {} of {}\n", amount(m.pool), amount(m.cap));
    if (before != nullptr && number(*before, "/frames") < frames) {
        const moved b = of_devices(*before);
        frames -= number(*before, "/frames");
        m.up -= b.up;
        m.up_bytes -= b.up_bytes;
        m.down -= b.down;
        m.down_bytes -= b.down_bytes;
        m.syncs -= b.syncs;
    }
    frames = std::max(frames, 1.0);
    return lines + fmt::format("a frame {:.2f} up ({}), {:.2f} down ({}), {:.2f} syncs\n", m.up / frames,
                               amount(m.up_bytes / frames), m.down / frames, amount(m.down_bytes / frames),
                               m.syncs / frames);
}

std::string cut(std::string text, std::size_t width) {
    if (text.size() > width) text.replace(width - 1, std::string::npos, "~");
    return text;
}

std::string source_line(const json& s) {
    std::string line = fmt::format("{:<20} {:<9} {:>6.1f} {:>8.1f} {:>5.0f} {:>9.0f} {:>7.0f} {:>6.0f}\n",
                                   cut(s.value("name", ""), 20), s.value("state", ""), number(s, "/frames_per_second"),
                                   number(s, "/latency_ms"), number(s, "/faces"), number(s, "/frames"),
                                   number(s, "/dropped"), number(s, "/errors"));
    if (const std::string why = s.value("message", ""); !why.empty()) line += "  " + cut(why, 77) + "\n";
    return line;
}

std::string text_of(const reading& now, const reading* before, const std::string& where, std::size_t rows) {
    const json& s = now.statistics;
    const double hits = number(s, "/cache/hits"), asked = hits + number(s, "/cache/misses");
    const auto sources = now.sources.value("sources", json::array());
    double rate = 0;
    for (const auto& each : sources)
        rate += number(each, "/frames_per_second");
    std::string text = fmt::format("faceflow {}  {}  flow {}  up {}\n", s.value("version", ""), where,
                                   s.value("flow", ""), duration(number(s, "/uptime_seconds")));
    text += fmt::format("frames  {:.1f} a second, {:.0f} in all; {:.0f} dropped, {:.0f} errors\n", rate,
                        number(s, "/frames"), sum(s.value("dropped", json::object())),
                        sum(s.value("errors", json::object())));
    text += fmt::format("latency p50 {:.1f} ms, p95 {:.1f} ms, p99 {:.1f} ms\n", number(s, "/latency/p50_ms"),
                        number(s, "/latency/p95_ms"), number(s, "/latency/p99_ms"));
    text += device_lines(s, before != nullptr ? &before->statistics : nullptr);
    text += fmt::format("cache   {:.0f} frames, {}, {:.0f} % of {:.0f} found\n\n", number(s, "/cache/frames"),
                        amount(number(s, "/cache/bytes")), asked > 0 ? 100 * hits / asked : 0.0, asked);
    text += fmt::format("{:<20} {:<9} {:>6} {:>8} {:>5} {:>9} {:>7} {:>6}\n", "SOURCE", "STATE", "FPS", "LATENCY",
                        "FACES", "FRAMES", "DROPPED", "ERRORS");
    std::size_t used = 8, shown = 0;
    for (const auto& each : sources) {
        const std::string line = source_line(each);
        used += static_cast<std::size_t>(std::ranges::count(line, '\n'));
        if (used >= rows) break;
        text += line;
        ++shown;
    }
    if (shown < sources.size()) text += fmt::format("... and {} more\n", sources.size() - shown);
    if (sources.empty()) text += "no source yet: add one on the page, or by POST /v1/sources\n";
    return text;
}

std::size_t rows_of_terminal() {
    winsize w{};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 12 ? w.ws_row : 24;
}

result<reading> read_service(const top_arguments& a, const serve::service_address& from, const std::string& token) {
    reading r;
    FACEFLOW_ASSIGN(r.statistics, ask(from, "/v1/statistics", token, a.certificate));
    FACEFLOW_ASSIGN(r.sources, ask(from, "/v1/sources", token, a.certificate));
    return r;
}

// Refreshes in place until it is stopped; a service that does not answer is asked again.
result<void> watch(const top_arguments& a, const serve::service_address& from, const std::string& token) {
    const std::atomic<bool>& stop = stop_on_signals();
    std::optional<reading> before;
    const std::string where = serve::to_text(from);
    while (!stop) {
        auto now = read_service(a, from, token);
        if (!now && !before) return tl::unexpected(std::move(now.error()));
        const std::string text =
            now ? text_of(*now, before ? &*before : nullptr, where, rows_of_terminal()) : now.error().message + "\n";
        std::string screen = "\033[H";  // each line clears what is left of an older one
        for (const char c : text)
            screen += c == '\n' ? std::string("\033[K\n") : std::string(1, c);
        to_stdout("{}\033[J", screen);
        std::fflush(stdout);
        if (now) before = std::move(*now);
        const auto next = std::chrono::steady_clock::now() + std::chrono::duration<double>(a.interval);
        while (!stop && std::chrono::steady_clock::now() < next)
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return {};
}

result<void> top(const top_arguments& a) {
    FACEFLOW_ASSIGN(const auto from, serve::parse_service_address(a.address));
    FACEFLOW_ASSIGN(const auto token, read_token(a.token_file));
    if (!a.once && isatty(STDOUT_FILENO) == 1) return watch(a, from, token);
    FACEFLOW_ASSIGN(const auto now, read_service(a, from, token));
    constexpr std::size_t all_rows = 100'000;
    to_stdout("{}", text_of(now, nullptr, serve::to_text(from), all_rows));
    return {};
}

}  // namespace

declared add_top(CLI::App& app) {
    auto a = std::make_shared<top_arguments>();
    auto* top_app = app.add_subcommand("top", "show in the terminal what a running service does");
    top_app->add_option("ADDRESS", a->address, "of the service")->type_name("ADDRESS")->capture_default_str();
    top_app
        ->add_option("--token-file", a->token_file,
                     "file with the service's token; default: the environment's FACEFLOW_TOKEN, or none")
        ->type_name("FILE");
    top_app
        ->add_option("--tls-trust", a->certificate,
                     "certificate to trust, for a service with one that the system does not")
        ->type_name("FILE");
    top_app->add_option("--interval", a->interval, "seconds between two readings")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();
    top_app->add_flag("--once,!--no-once", a->once, "print one reading and end, as into a pipe")->default_str("off");
    give_examples(*top_app, {{"The service on this machine", "faceflow top"},
                             {"One reading, for scripts", "faceflow top http://127.0.0.1:8080 --once"}});
    return {top_app, [a](const given& options) {
                const auto done = top(*a);
                return done ? exit_done : report(done.error(), options);
            }};
}

}  // namespace faceflow::internal::cli
