// SPDX-License-Identifier: Apache-2.0
// faceflow on a device that is lost after a while: a whole run, or a stage process that flows start when FACEFLOW_STAGE names
// this program. LOSE_AFTER: how many tasks of its streams a device survives.
//
//     faceflow_losing run FLOW recorded|live CLIP OUT
//     faceflow_losing ROLE OWNER                          as flows start it
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "backends/open_devices.hpp"
#include "device/emulated/emulated_device.hpp"
#include "engine/run.hpp"
#include "flow/multi_process/stage_server.hpp"
#include "flow/option_table.hpp"
#include "ipc/child_process.hpp"
#include "losing_device.hpp"

namespace faceflow::internal {

// In place of the library's own, which the linker leaves out: engines and stage processes open what this gives them.
result<std::vector<std::unique_ptr<device>>> open_devices(const device_request& wanted) {
    if (wanted.name != "emulated") return fail(errc::unavailable, "this program has emulated devices alone");
    const auto link = find_link(wanted.link);
    if (!link) return tl::unexpected(link.error());
    auto beneath = emulated_device::create(0, wanted.memory_cap, *link);
    if (!beneath) return tl::unexpected(std::move(beneath.error()));
    const char* after = std::getenv("LOSE_AFTER");
    std::vector<std::unique_ptr<device>> devices;
    devices.push_back(
        std::make_unique<test::losing_device>(std::move(*beneath), after != nullptr ? std::atoi(after) : 100));
    return devices;
}

}  // namespace faceflow::internal

int main(int argc, char** argv) {
    using namespace faceflow;
    using namespace faceflow::internal;
    if (argc == 3) {
        if (!ipc::die_with_parent(std::atoi(argv[2]))) return 0;
        const auto served = flow::serve_stage(unique_fd(3));
        return served ? 0 : 1;
    }
    if (argc != 6 || std::strcmp(argv[1], "run") != 0) return 2;
    run_request wanted;
    const auto kind = flow::value_of<&options::flow>(argv[2]);
    if (!kind) return 2;
    wanted.chosen.flow = *kind;
    wanted.chosen.pacing = std::string_view(argv[3]) == "live" ? pacing::live : pacing::recorded;
    wanted.chosen.device = "emulated";
    wanted.chosen.link = "none";
    wanted.chosen.threads = 2;
    wanted.chosen.detect_width = 320;
    wanted.chosen.detect_height = 192;
    wanted.inputs = {argv[4]};
    wanted.out = argv[5];
    wanted.formats = {media::format_of_file("faces.ndjson")};
    wanted.video = false;
    wanted.note = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
    const std::atomic<bool> stop{false};
    const auto done = run(wanted, stop, {});
    if (done) return 0;
    fmt::print(stderr, "{}\n", done.error().message);
    return done.error().code == errc::device_lost ? 10 : 11;
}
