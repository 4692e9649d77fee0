// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "device/emulated/fault_reporter.hpp"
#include "share/share_run.hpp"

namespace faceflow::internal::cli {
namespace {

struct share_arguments {
    share::share_request request;
    input_options input;
    std::string memory = "2G", socket;
    double fps = -1;
    std::uint64_t limit = 0;
    bool json = false, quiet = false;
};

nlohmann::json to_json(const share::share_report& r) {
    const auto& c = r.counts;
    return {{"frames", c.frames},
            {"seconds", r.seconds},
            {"unseen", c.unseen},
            {"clients", c.clients},
            {"refused", c.refused},
            {"malformed", c.malformed},
            {"leases_taken_back", c.taken_back},
            {"announced", c.told.announced},
            {"dropped",
             {{"no_lease", c.told.no_lease}, {"not_reading", c.told.not_reading}, {"overtaken", c.told.overtaken}}},
            {"errors", c.errors},
            {"survived", r.survived}};
}

void print(const share::share_report& r) {
    const auto& c = r.counts;
    to_stdout("{} frames in {:.1f} s to {} client{}: {} announced, {} dropped\n", c.frames, r.seconds, c.clients,
              c.clients == 1 ? "" : "s", c.told.announced, c.told.dropped());
    for (const auto& [what, n] : {std::pair{"dropped: {} for want of a lease\n", c.told.no_lease},
                                  {"dropped: {} unread\n", c.told.not_reading},
                                  {"dropped: {} overtaken by a newer one\n", c.told.overtaken},
                                  {"unseen: {} while nobody was connected\n", c.unseen},
                                  {"refused: {} clients\n", c.refused},
                                  {"malformed: {} clients that did not keep to the protocol\n", c.malformed},
                                  {"taken back: {} leases of clients that left\n", c.taken_back}}) {
        if (n > 0) to_stdout(fmt::runtime(what), n);
    }
    for (const auto& [reason, n] : c.errors)
        to_stdout("errors: {} {}\n", n, reason);
    for (const auto& [reason, n] : r.survived)
        to_stdout("survived: {} {}\n", n, reason);
}

int execute(const share_arguments& a, const given& options) {
    share::share_request request = a.request;
    const auto memory = parse_bytes(a.memory);
    if (!memory) return report(memory.error(), options);
    request.device.memory_cap = *memory;
    if (auto r = a.input.resolve(request.reading); !r) return report(r.error(), options);
    request.socket = a.socket;
    if (a.fps >= 0) request.fps = a.fps;
    if (a.limit > 0) request.limit = a.limit;
    request.note = [](const std::string& line) { to_stderr("faceflow: {}\n", line); };
    if (request.device.name.starts_with("emulated")) install_fault_reporter();
    const auto done = share::run_share(request, stop_on_signals(), [&](const std::filesystem::path& socket) {
        if (!a.quiet) to_stderr("faceflow: sharing at {}\n", socket.string());
    });
    if (!done) return report(done.error(), options);
    for (const auto& w : done->warnings)
        to_stderr("faceflow: {}\n", w);
    if (a.json) {
        to_stdout("{}\n", to_json(*done).dump(2));
    } else if (!a.quiet) {
        print(*done);
    }
    // Being stopped is the normal end of sharing a camera.
    return exit_done;
}

}  // namespace

declared add_share(CLI::App& app) {
    auto a = std::make_shared<share_arguments>();
    auto& r = a->request;
    auto* share = app.add_subcommand("share", "share frames with other programs, which read them in place");
    share
        ->add_option("INPUT", r.inputs, "videos, pictures, cameras or streams, as for run; each is a source of its own")
        ->required()
        ->type_name("INPUT");
    const auto where = "Where frames lie";
    share
        ->add_option("--socket", a->socket,
                     "socket on which clients connect, in a folder that only you can enter; default: "
                     "faceflow-share.sock in $XDG_RUNTIME_DIR, or in /tmp/faceflow-UID")
        ->type_name("PATH")
        ->group(where);
    share
        ->add_option("--slots", r.slots,
                     "maximum number of frames kept: one for each source, and the others for clients")
        ->type_name("N")
        ->check(CLI::Range(2, 4096).description(""))
        ->capture_default_str()
        ->group(where);
    share->add_option("--device", r.device.name, "device that holds the frames: auto, cpu, emulated")
        ->type_name("DEVICE")
        ->capture_default_str()
        ->group(where);
    share->add_option("--device-memory", a->memory, "maximum memory for frames, such as 512M or 2G")
        ->type_name("BYTES")
        ->capture_default_str()
        ->group(where);
    add_input_options(*share, a->input);
    const auto files = "Recorded inputs";
    share->add_flag("--loop,!--no-loop", r.loop, "start again at the end")->default_str("off")->group(files);
    share->add_option("--fps", a->fps, "frames per second; 0: as fast as they decode; default: the input's own pace")
        ->type_name("FPS")
        ->check(CLI::NonNegativeNumber.description(""))
        ->group(files);
    share
        ->add_flag("--once-connected,!--no-once-connected", r.once_connected,
                   "hold the first frame until the first client connects")
        ->default_str("off")
        ->group(files);
    share->add_option("--limit", a->limit, "stop after N frames of each input; 0: no limit")
        ->type_name("N")
        ->group(files);
    share->add_flag("--quiet,!--no-quiet", a->quiet, "print nothing but errors")->group("Output");
    share->add_flag("--json,!--no-json", a->json, "print the counts as JSON instead of text")->group("Output");
    give_examples(*share, {{"A camera, for any number of clients", "faceflow share /dev/video0"},
                           {"Two videos in an endless loop, at the pace of their own clocks",
                            "faceflow share left.mp4 right.mp4 --loop"},
                           {"Every frame of a video for one client, as fast as they decode",
                            "faceflow share clip.mp4 --socket ~/own/clip.sock --once-connected --fps 0"}});
    return {share, [a](const given& options) { return execute(*a, options); }};
}

}  // namespace faceflow::internal::cli
