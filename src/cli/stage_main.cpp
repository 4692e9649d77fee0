// SPDX-License-Identifier: Apache-2.0
// faceflow-stage: one stage of a flow of several processes. Started by the flow, not for use by hand.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "device/emulated/fault_reporter.hpp"
#include "flow/multi_process/stage_server.hpp"
#include "ipc/child_process.hpp"

namespace {

int serve(int argc, char** argv) {
    int owner = 0;
    const char* const end = argc == 3 ? argv[2] + std::strlen(argv[2]) : nullptr;
    if (argc != 3 || std::from_chars(argv[2], end, owner).ptr != end) {
        std::fputs("faceflow-stage is started by faceflow (--flow shared, cached or copied), not by hand\n", stderr);
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);  // a closed owner is reported as an error of the write
    if (!faceflow::internal::ipc::die_with_parent(owner)) return 0;  // the owner has already ended
    faceflow::internal::ipc::leave_signals_to_parent();
    faceflow::internal::install_fault_reporter();
    const auto served = faceflow::internal::flow::serve_stage(faceflow::internal::unique_fd(3));
    if (served) return 0;
    std::fprintf(stderr, "faceflow-stage %s: %s\n", argv[1], served.error().message.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return serve(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "faceflow-stage: %s\n", e.what());
        return 1;
    }
}
