// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <tuple>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "device/emulated/fault_reporter.hpp"

namespace faceflow::cli {

int exit_code_of(const error& e) {
    switch (e.code) {
        case errc::invalid_argument: return exit_usage;
        case errc::not_found:
        case errc::corrupt:
        case errc::unsupported: return exit_input;
        case errc::io: return exit_output;
        case errc::interrupted: return exit_interrupted;
        default: return exit_failed;
    }
}

int report(const error& e) {
    to_stderr("faceflow: {}\n", e.message);
    return exit_code_of(e);
}

result<std::pair<int, int>> parse_size(std::string_view text) {
    int width = 0, height = 0;
    const char* end = text.data() + text.size();
    const auto w = std::from_chars(text.data(), end, width);
    if (w.ec == std::errc{} && w.ptr != end && *w.ptr == 'x') {
        const auto h = std::from_chars(w.ptr + 1, end, height);
        if (h.ec == std::errc{} && h.ptr == end && width > 0 && height > 0) return std::pair{width, height};
    }
    return fail(errc::invalid_argument, fmt::format("'{}' is not a size; write it as 640x384", text));
}

result<void> parse_detect_size(std::string_view text, options& into) {
    into.detect_width = into.detect_height = 0;
    if (text == "auto") return {};
    const std::size_t plus = text.find('+');
    const auto first = parse_size(text.substr(0, plus));
    if (!first) return tl::unexpected(first.error());
    std::tie(into.detect_width, into.detect_height) = *first;
    if (plus == std::string_view::npos) return {};
    const auto closer = parse_size(text.substr(plus + 1));
    if (!closer) return tl::unexpected(closer.error());
    std::tie(into.detect_fine_width, into.detect_fine_height) = *closer;
    return {};
}

result<std::size_t> parse_bytes(std::string_view text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
    if (!unit.empty() && (unit.back() == 'B' || unit.back() == 'b')) unit.remove_suffix(1);
    if (!unit.empty() && unit.back() == 'i') unit.remove_suffix(1);
    const double scale = unit.empty()                 ? 1
                         : unit == "K" || unit == "k" ? 0x1p10
                         : unit == "M"                ? 0x1p20
                         : unit == "G"                ? 0x1p30
                                                      : 0;
    if (parsed.ec != std::errc{} || scale == 0 || !(value * scale >= 1) || value * scale > 0x1p46) {
        return fail(errc::invalid_argument,
                    fmt::format("'{}' is not an amount of memory; write it as 512M or 2G", text));
    }
    return static_cast<std::size_t>(value * scale);
}

result<options> engine_options::resolve() const {
    options o = chosen;
    o.detector = detector == "blazeface" ? faceflow::detector::blazeface : faceflow::detector::retinaface;
    if (auto r = parse_detect_size(detect_size, o); !r) return tl::unexpected(r.error());
    const auto bytes = parse_bytes(device_memory);
    if (!bytes) return tl::unexpected(bytes.error());
    o.device_memory = *bytes;
    o.models = models;
    o.engines = engines;
    // A stage that touches device memory from the host ends the program: with this, it says which stage and frame.
    if (o.device.starts_with("emulated")) install_fault_reporter();
    return o;
}

void add_engine_options(CLI::App& app, engine_options& into) {
    options& o = into.chosen;
    const auto engine = "Engine";
    app.add_option("--device", o.device,
                   "where to compute: auto, cpu, cuda, cuda:I,J,..., cuda:all or emulated[:N]; auto: the first GPU "
                   "that models can run on, else the CPU; over several devices sources are spread by their load")
        ->type_name("DEVICE")
        ->capture_default_str()
        ->group(engine);
    app.add_option("--flow", o.flow,
                   "how stages are joined: in one process (fused, threaded) or in several (shared, cached, copied)")
        ->type_name("fused|threaded|shared|cached|copied")
        ->capture_default_str()
        ->group(engine);
    app.add_option("--threads", o.threads, "CPU threads for computing; 0: one per core")
        ->type_name("N")
        ->capture_default_str()
        ->group(engine);
    app.add_option("--device-memory", into.device_memory, "most device memory to use, such as 512M or 2G")
        ->type_name("BYTES")
        ->capture_default_str()
        ->group(engine);
    one_of(*app.add_option("--inference", o.inference,
                           "what runs models: kernels of faceflow's own (native), or ONNX Runtime, where the build has "
                           "it; on CUDA "
                           "with its CUDA or TensorRT provider, where those are installed; auto: native, but on CUDA "
                           "cuda for fp32 and tf32, and "
                           "ONNX Runtime for a model without a plan")
                ->capture_default_str()
                ->group(engine),
           {"auto", "native", "onnxruntime", "cuda", "tensorrt"});
    one_of(*app.add_option(
                   "--precision", o.precision,
                   "what models compute in; auto: fp32, on CUDA fp16 with sums in fp32 (native); bf16: on CPUs with "
                   "AVX512_BF16, most products of bfloat16s with sums in fp32 (native); TensorRT's fp16 is held "
                   "to fp32 by `faceflow models build-engines`")
                ->capture_default_str()
                ->group(engine),
           {"auto", "fp32", "tf32", "fp16", "bf16"});
    app.add_option("--engines", into.engines,
                   "folder of TensorRT's engines; default: faceflow/engines in your cache folder")
        ->type_name("DIR")
        ->group(engine);
    app.add_option("--models", into.models, "folder to look for models in first")->type_name("DIR")->group(engine);
    const auto memory = "Frames on devices with memory of their own";
    one_of(*app.add_option("--link", o.link, "the link that emulated devices hang on")
                ->capture_default_str()
                ->group(memory),
           {"none", "pcie3", "pcie4", "pcie5"});
    app.add_flag("--verify-ledger,!--no-verify-ledger", o.verify_ledger,
                 "have the devices count what crosses, too (CUPTI on CUDA), and warn where the ledger differs")
        ->default_str("off")
        ->group(memory);
    add_switch(app, "--cache", o.cache, "find uploaded frames by their id instead of uploading them again")
        ->group(memory);
    add_switch(app, "--batch", o.batch, "crop and mesh all faces of a frame in one go")->group(memory);
    add_switch(app, "--pinned", o.pinned, "stage transfers in page-locked memory")->group(memory);
    add_switch(app, "--graphs", o.graphs, "launch a pass on CUDA as one graph, not kernel by kernel (fused)")
        ->group(memory);
    app.add_option("--cache-ttl", o.cache_ttl, "how long a frame stays in the cache")
        ->type_name("SECONDS")
        ->capture_default_str()
        ->group(memory);
    app.add_option(
           "--batch-frames", o.batch_frames,
           "frames of all sources that pass through the device together (fused); 0: 16 on CUDA (or as many live "
           "sources as a lane has), else 1")
        ->type_name("N")
        ->capture_default_str()
        ->group(memory);
    app.add_option(
           "--lanes", o.lanes,
           "passes in work side by side on each device (fused); 0: on CUDA 2, or for live sources one for 48 of "
           "them, 6 at most; on a CPU 1 when live, else one for each thread")
        ->type_name("N")
        ->capture_default_str()
        ->group(memory);
    app.add_option("--batch-deadline-ms", o.batch_deadline_ms,
                   "how long such a pass waits for live frames of more sources, although the device could begin")
        ->type_name("MS")
        ->capture_default_str()
        ->group(memory);
    const auto processes = "Flows of several processes";
    app.add_option("--stage-restarts", o.stage_restarts, "how often within 10 s a stage that died is started again")
        ->type_name("N")
        ->capture_default_str()
        ->group(processes);
    app.add_option(
           "--stage-timeout", o.stage_timeout,
           "how long a stage that has work may sleep over it, or\ncompute longer than its frames were seen to take")
        ->type_name("SECONDS")
        ->capture_default_str()
        ->group(processes);
    const auto faces = "Faces";
    one_of(
        *app.add_option("--detector", into.detector,
                        "what finds faces; weights of retinaface are for research only, blazeface is free for any use")
             ->capture_default_str()
             ->group(faces),
        {"retinaface", "blazeface"});
    app.add_option(
           "--detect-size", into.detect_size,
           "size that RetinaFace sees a frame in, multiples of 32; a larger one finds smaller faces. auto: of the "
           "frame's shape, with the pixels of 640x384, and for pictures a second look at up to 1600 pixels; such a "
           "second look by hand: 640x384+1600x928")
        ->type_name("auto|WxH[+WxH]")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--detect-every", o.detect_every,
                   "detect in every Nth frame; in between, follow each face by its mesh")
        ->type_name("N")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--max-faces", o.max_faces, "most faces in a frame; the best ones are kept")
        ->type_name("N")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--min-score", o.min_score, "least score of the detector, 0.01 to 1")
        ->type_name("P")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--min-presence", o.min_presence, "least belief of the landmark model that it sees a face, 0 to 1")
        ->type_name("P")
        ->capture_default_str()
        ->group(faces);
    app.add_flag("--smooth,!--no-smooth", o.smooth, "smooth landmarks over time with a one-euro filter")
        ->default_str("off")
        ->group(faces);
    app.add_option("--focal-length", o.focal_length,
                   "focal length of the camera in pixels, for distances; 0: a vertical view of 63 degrees")
        ->type_name("PX")
        ->capture_default_str()
        ->group(faces);
}

void reserve_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0) continue;
        // Gets the lowest free number, which is this one. Reading it, or writing the others, fails as it did.
        [[maybe_unused]] const int held = ::open(
            "/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // NOLINT: not close-on-exec, like all three
    }
}

namespace {
std::atomic<bool> stop_requested{false};

std::atomic<std::int64_t> first_stop_ms{0};

std::int64_t now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1'000'000;
}

// Shells, timeout and terminals send the same signal twice within an instant: that is no second wish.
void on_signal(int number) {
    constexpr std::int64_t same_wish_ms = 500;
    const std::int64_t now = now_ms();
    if (!stop_requested.exchange(true)) {
        first_stop_ms.store(now);
    } else if ((number == SIGINT || number == SIGTERM) && now - first_stop_ms.load() >= same_wish_ms) {
        _exit(exit_interrupted);
    }
}

// The kernel sends these two in this process' own name, for a write that also fails with an error.
void on_write_signal(int, siginfo_t* about, void*) {
    if (about->si_pid != getpid()) stop_requested.store(true);
}
}  // namespace

const std::atomic<bool>& stop_on_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    struct sigaction hangup {};
    sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
    sigaction(SIGXCPU, &action, nullptr);  // a limit of processor time leaves some seconds to finish in
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = on_write_signal;
    sigaction(SIGPIPE, &action, nullptr);
    sigaction(SIGXFSZ, &action, nullptr);
    return stop_requested;
}

}  // namespace faceflow::cli
