#include <fmt/format.h>

#include <map>
#include <memory>
#include <tuple>

#include "analysis/plan.hpp"
#include "cli/commands.hpp"

namespace faceflow::cli {
namespace {

struct arguments {
    analysis::plan_request request;
    std::string size = "1920x1080", format = "i420", detect_size = "640x384", device_memory = "2G";
    bool json = false;
};

int execute(const arguments& a) {
    analysis::plan_request request = a.request;
    const auto size = parse_size(a.size), detect = parse_size(a.detect_size);
    if (!size) return report(size.error());
    if (!detect) return report(detect.error());
    std::tie(request.width, request.height) = *size;
    std::tie(request.detect_width, request.detect_height) = *detect;
    const auto memory = parse_bytes(a.device_memory);
    if (!memory) return report(memory.error());
    request.device_memory = *memory;
    const auto format = analysis::find_pixel_format(a.format);
    if (!format) return report(format.error());
    request.format = *format;

    const auto planned = analysis::plan(request);
    if (!planned) return report(planned.error());
    fmt::print("{}", a.json ? analysis::render_plan_json(*planned) : analysis::render_plan(*planned));
    return exit_done;
}

void add_cameras(CLI::App& plan, arguments& a) {
    const auto group = "Cameras";
    plan.add_option("--cameras", a.request.cameras, "how many")->type_name("N")->capture_default_str()->group(group);
    plan.add_option("--size", a.size, "of their frames")->type_name("WxH")->capture_default_str()->group(group);
    plan.add_option("--format", a.format, "pixel format that frames are decoded to, such as nv12 or bgr24")
        ->type_name("NAME")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--fps", a.request.fps, "frames a second of each")
        ->type_name("F")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--faces", a.request.faces, "in each frame")->type_name("K")->capture_default_str()->group(group);
}

void add_machine(CLI::App& plan, arguments& a) {
    const auto group = "Device and flow";
    analysis::plan_request& r = a.request;
    plan.add_option("--link", r.link, "none, pcie3, pcie4, pcie5")
        ->type_name("LINK")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--flow", r.flow,
                    "how stages are joined: fused, threaded, or in several processes: shared, cached, copied")
        ->type_name("FLOW")
        ->capture_default_str()
        ->group(group);
    const auto add_switch = [&](const char* name, bool& on, const char* what) {
        plan.add_option(name, on, what)
            ->transform(CLI::CheckedTransformer(std::map<std::string, bool>{{"on", true}, {"off", false}})
                            .description("on|off"))
            ->type_name("")
            ->default_str("on")
            ->group(group);
    };
    add_switch("--cache", r.cache, "find uploaded frames by their id instead of uploading them again");
    add_switch("--batch", r.batch, "crop and mesh all faces of a frame in one go");
    add_switch("--pinned", r.pinned, "stage transfers in page-locked memory");
    plan.add_option("--cache-ttl", r.cache_ttl, "seconds that a frame stays in the cache")
        ->type_name("SECONDS")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--device-memory", a.device_memory, "cap of the device's memory pool")
        ->type_name("BYTES")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--detect-size", a.detect_size, "what RetinaFace looks at, multiples of 32")
        ->type_name("WxH")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--max-faces", r.max_faces, "most faces in a frame")
        ->type_name("N")
        ->capture_default_str()
        ->group(group);
}

}  // namespace

declared add_plan(CLI::App& app) {
    auto a = std::make_shared<arguments>();
    auto* plan =
        app.add_subcommand("plan", "what cameras would ask of a device and its link, without running anything");
    add_cameras(*plan, *a);
    add_machine(*plan, *a);
    plan->add_flag("--json,!--no-json", a->json, "print one JSON object instead");
    return {plan, [a] { return execute(*a); }};
}

}  // namespace faceflow::cli
