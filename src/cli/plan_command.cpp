// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <tuple>

#include "analysis/plan.hpp"
#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/option_rows.hpp"
#include "cli/output.hpp"
#include "engine/detect_size.hpp"
#include "flow/option_table.hpp"

namespace faceflow::internal::cli {
namespace {

struct plan_arguments {
    analysis::plan_request request;
    std::string size = "1920x1080", format = "i420", detect_size = "auto";
    bool json = false;
};

int execute(const plan_arguments& a, const given& options) {
    analysis::plan_request request = a.request;
    const auto size = parse_size(a.size);
    if (!size) return report(size.error(), options);
    std::tie(request.width, request.height) = *size;
    faceflow::options chosen;
    if (auto r = parse_detect_size(a.detect_size, chosen); !r) return report(r.error(), options);
    choose_detection(chosen, {{{request.width, request.height}}});
    request.detect_width = chosen.detect_width;
    request.detect_height = chosen.detect_height;
    const auto format = analysis::find_pixel_format(a.format);
    if (!format) return report(format.error(), options);
    request.format = *format;

    const auto planned = analysis::plan(request);
    if (!planned) return report(planned.error(), options);
    to_stdout("{}", a.json ? analysis::render_plan_json(*planned) : analysis::render_plan(*planned));
    return exit_done;
}

void add_cameras(CLI::App& plan, plan_arguments& a) {
    const auto group = "Cameras";
    plan.add_option("--cameras", a.request.cameras, "number of cameras")
        ->type_name("N")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--size", a.size, "size of their frames")->type_name("WxH")->capture_default_str()->group(group);
    plan.add_option("--format", a.format, "pixel format that frames are decoded to, such as i420, nv12 or bgr24")
        ->type_name("NAME")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--fps", a.request.fps, "frames per second of each camera")
        ->type_name("F")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--faces", a.request.faces, "faces in each frame")
        ->type_name("K")
        ->capture_default_str()
        ->group(group);
}

void add_machine(CLI::App& plan, plan_arguments& a) {
    const auto group = "Device and flow";
    analysis::plan_request& r = a.request;
    const auto add = [&](const auto& row, auto& value) { return declare(plan, row, value)->group(group); };
    add(flow::row_of<&options::link>(), r.link)->description("the link between the host and the device");
    add(flow::row_of<&options::flow>(), r.flow);
    add(flow::row_of<&options::tuning, &tuning_options::cache>(), r.cache);
    add(flow::row_of<&options::tuning, &tuning_options::batch>(), r.batch);
    add(flow::row_of<&options::tuning, &tuning_options::pinned>(), r.pinned);
    add(flow::row_of<&options::tuning, &tuning_options::cache_ttl>(), r.cache_ttl);
    add(flow::row_of<&options::device_memory>(), r.device_memory);
    plan.add_option(
            "--detect-size", a.detect_size,
            "size to which a frame is scaled for RetinaFace, in multiples of 32; auto: the frame's aspect ratio")
        ->type_name("WxH")
        ->capture_default_str()
        ->group(group);
    plan.add_option("--max-faces", r.max_faces, "maximum number of faces in a frame, for which memory is reserved")
        ->type_name("N")
        ->capture_default_str()
        ->group(group);
}

}  // namespace

declared add_plan(CLI::App& app) {
    auto a = std::make_shared<plan_arguments>();
    auto* plan = app.add_subcommand(
        "plan", "calculate what cameras would demand of a device and its link, without running anything");
    add_cameras(*plan, *a);
    add_machine(*plan, *a);
    plan->add_flag("--json,!--no-json", a->json, "print a JSON object instead of the text");
    give_examples(
        *plan,
        {{"Eight 4K cameras on an older link", "faceflow plan --cameras 8 --size 3840x2160 --format nv12 --link pcie3"},
         {"What the slowest flow would move for ten faces in each frame", "faceflow plan --flow copied --faces 10"},
         {"The same flow with and without its cache, for a script to compare",
          "faceflow plan --flow cached --cache off --json"}});
    return {plan, [a](const given& options) { return execute(*a, options); }};
}

}  // namespace faceflow::internal::cli
