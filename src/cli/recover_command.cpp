// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "engine/recover.hpp"

namespace faceflow::internal::cli {
namespace {

int execute_recovery(const std::string& folder, const given& options) {
    const auto done = recover(folder);
    if (!done) return report(done.error(), options);
    for (const auto& note : done->notes)
        to_stderr("faceflow: {}\n", note);
    for (const auto& path : done->written)
        to_stdout("wrote {}\n", path.string());
    if (done->runs > 0) {
        to_stdout("recovered {} frame{} of {} run{}\n", done->frames, done->frames == 1 ? "" : "s", done->runs,
                  done->runs == 1 ? "" : "s");
    } else if (done->notes.empty()) {
        to_stdout("{} holds nothing to recover\n", folder);
    }
    return exit_done;
}

}  // namespace

declared add_recover(CLI::App& app) {
    auto folder = std::make_shared<std::string>();
    auto* recover = app.add_subcommand("recover", "recover the files of a run that was killed");
    recover->add_option("DIR", *folder, "the folder that the run wrote to (--out)")->required()->type_name("DIR");
    give_examples(*recover, {{"After a run was killed or the power failed", "faceflow recover faceflow-out"}});
    return {recover, [folder](const given& options) { return execute_recovery(*folder, options); }};
}

}  // namespace faceflow::internal::cli
