#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "cli/commands.hpp"
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
    fmt::print(stderr, "faceflow: {}\n", e.message);
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
    const auto size = parse_size(detect_size);
    if (!size) return tl::unexpected(size.error());
    o.detect_width = size->first;
    o.detect_height = size->second;
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
    app.add_option("--device", o.device, "where to compute: auto, cpu, cuda[:I,J,...], emulated[:N]")
        ->type_name("DEVICE")
        ->capture_default_str()
        ->group(engine);
    app.add_option("--flow", o.flow,
                   "how stages are joined: fused, threaded, or in several processes: shared, cached, copied")
        ->type_name("FLOW")
        ->capture_default_str()
        ->group(engine);
    app.add_option("--threads", o.threads, "CPU threads for computing; 0: one per core")
        ->type_name("N")
        ->capture_default_str()
        ->group(engine);
    app.add_option("--device-memory", into.device_memory, "cap of the device's memory pool")
        ->type_name("BYTES")
        ->capture_default_str()
        ->group(engine);
    app.add_option("--inference", o.inference,
                   "what runs models on CUDA: cuda, tensorrt, or auto: TensorRT where its engines were built before")
        ->type_name("HOW")
        ->check(CLI::IsMember({"auto", "cuda", "tensorrt"}))
        ->capture_default_str()
        ->group(engine);
    app.add_option("--precision", o.precision, "of TensorRT: fp32, or fp16 once `models build-engines` has checked it")
        ->type_name("P")
        ->check(CLI::IsMember({"fp32", "fp16"}))
        ->capture_default_str()
        ->group(engine);
    app.add_option("--engines", into.engines, "folder of TensorRT's engines; usually faceflow/engines in your cache")
        ->type_name("DIR")
        ->group(engine);
    app.add_option("--models", into.models, "folder to look for models in first")->type_name("DIR")->group(engine);
    const auto memory = "Frames on devices with memory of their own";
    app.add_option("--link", o.link, "that emulated devices hang on: none, pcie3, pcie4, pcie5")
        ->type_name("LINK")
        ->capture_default_str()
        ->group(memory);
    const auto add_switch = [&](const char* name, bool& on, const char* what) {
        app.add_option(name, on, what)
            ->transform(CLI::CheckedTransformer(std::map<std::string, bool>{{"on", true}, {"off", false}})
                            .description("on|off"))
            ->type_name("")
            ->default_str("on")
            ->group(memory);
    };
    app.add_flag("--verify-ledger,!--no-verify-ledger", o.verify_ledger,
                 "have the devices count what crosses, too (CUPTI on CUDA), and warn where the ledger differs")
        ->group(memory);
    add_switch("--cache", o.cache, "find uploaded frames by their id instead of uploading them again");
    add_switch("--batch", o.batch, "crop and mesh all faces of a frame in one go");
    add_switch("--pinned", o.pinned, "stage transfers in page-locked memory");
    add_switch("--graphs", o.graphs, "launch what a model runs as one graph, not kernel by kernel");
    app.add_option("--cache-ttl", o.cache_ttl, "seconds that a frame stays in the cache")
        ->type_name("SECONDS")
        ->capture_default_str()
        ->group(memory);
    app.add_option("--batch-frames", o.batch_frames,
                   "frames that pass through the device together, of all sources (fused); 0: 4 on CUDA, else 1")
        ->type_name("N")
        ->capture_default_str()
        ->group(memory);
    app.add_option("--batch-deadline-ms", o.batch_deadline_ms, "how long a live pass waits for frames of more sources")
        ->type_name("MS")
        ->capture_default_str()
        ->group(memory);
    const auto processes = "Flows of several processes";
    app.add_option("--stage-restarts", o.stage_restarts, "how often within 10 s a stage that died is started again")
        ->type_name("N")
        ->capture_default_str()
        ->group(processes);
    app.add_option("--stage-timeout", o.stage_timeout, "how long one that has work may show no sign of life")
        ->type_name("SECONDS")
        ->capture_default_str()
        ->group(processes);
    const auto faces = "Faces";
    app.add_option("--detector", into.detector, "retinaface (weights for research only) or blazeface (free)")
        ->type_name("NAME")
        ->check(CLI::IsMember({"retinaface", "blazeface"}))
        ->capture_default_str()
        ->group(faces);
    app.add_option("--detect-size", into.detect_size,
                   "what RetinaFace looks at, multiples of 32; larger finds smaller faces")
        ->type_name("WxH")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--detect-every", o.detect_every, "detect in every Nth frame, follow the meshes in between")
        ->type_name("N")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--max-faces", o.max_faces, "most faces in a frame, the best ones")
        ->type_name("N")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--min-score", o.min_score, "least score of the detector, 0..1")
        ->type_name("P")
        ->capture_default_str()
        ->group(faces);
    app.add_option("--min-presence", o.min_presence, "least belief of the landmark model that it sees a face, 0..1")
        ->type_name("P")
        ->capture_default_str()
        ->group(faces);
    app.add_flag("--smooth,!--no-smooth", o.smooth, "smooth landmarks over time (one-euro filter)")->group(faces);
    app.add_option("--focal-length", o.focal_length,
                   "of the camera in pixels, for distances; 0: a 63 degree vertical view")
        ->type_name("PX")
        ->capture_default_str()
        ->group(faces);
}

namespace {
std::atomic<bool> stop_requested{false};

void on_signal(int) {
    if (stop_requested.exchange(true)) _exit(exit_interrupted);
}
}  // namespace

const std::atomic<bool>& stop_on_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of the write, not the end of the run
    return stop_requested;
}

}  // namespace faceflow::cli
