// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "backends/back_end.hpp"
#include "backends/open_devices.hpp"
#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "core/processors.hpp"
#include "device/gpu_facts.hpp"
#include "faceflow/faceflow.hpp"
#include "inference/catalogue.hpp"
#include "inference/session.hpp"
#include "media/inventory.hpp"
#include "telemetry/nvml.hpp"
#include "vision/sample.hpp"

namespace faceflow::internal::cli {
namespace {

// Prints lines of three kinds: fine, missing but optional, and missing but required for a run.
class findings {
public:
    void ok(std::string_view what, std::string_view text) { line("ok  ", what, text); }
    void note(std::string_view what, std::string_view text) { line("--  ", what, text); }
    void bad(std::string_view what, std::string_view text) {
        line("BAD ", what, text);
        ++bad_;
    }
    int bad_count() const { return bad_; }

private:
    static void line(std::string_view mark, std::string_view what, std::string_view text) {
        to_stdout("{} {:<16} {}\n", mark, what, text);
    }
    int bad_ = 0;
};

std::string cpu_name() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown CPU";
}

void check_machine(findings& f) {
    f.ok("faceflow", version());
    const auto cores = static_cast<std::int32_t>(std::thread::hardware_concurrency()), usable = usable_processors();
    const auto of_them = usable < cores ? fmt::format(" of which this process may use {}", usable) : "";
    f.ok("cpu",
         fmt::format("{}, {} cores{}, sampling with {}", cpu_name(), cores, of_them, vision::sample_instruction_set()));
    f.ok("device cpu", "host memory, no transfers; the default without a GPU");
    f.ok("device emulated", "a GPU made of host memory, to watch how frames move (--device emulated)");
}

// A run needs only a device; ONNX Runtime's kernels are a reference.
void check_cuda(findings& f) {
    const auto cuda = open_devices({.name = "cuda"});
    const auto gpus = look_at_gpus();
    for (const auto& remark : remarks_on(gpus)) {
        if (cuda || remark != cuda.error().message) f.note("cuda", remark);
    }
    if (!cuda) {
        f.note("device cuda", cuda.error().message);
        return;
    }
    if (const auto nvml = open_nvml(cuda->front()->bus_id()); !nvml)
        f.note("cuda", nvml.error().message + "; summary.json has no figures of its card");
    f.ok("device cuda", cuda->front()->description() + "; used unless --device says otherwise");
    if (gpus.cards.size() > 1) {
        std::vector<std::string> names;
        for (const auto& card : gpus.cards)
            names.push_back(fmt::format("{} {}", card.index, card.name));
        f.ok("device cuda:all", fmt::format("{}; sources are spread over them by their load", fmt::join(names, ", ")));
    }
    const auto runtime = inference::runtime::create({1});
    const auto usable = runtime ? (*runtime)->check_cuda() : tl::unexpected(runtime.error());
    if (!usable)
        f.note("inference cuda", usable.error().message + "; --inference native, the default, needs none of it");
}

void check_inference(findings& f, const std::string& folder) {
    if (const auto found = inference::find_runtime(); found) {
        f.ok("onnx runtime", fmt::format("{} in {}, providers: {}", found->version, found->folder.string(),
                                         fmt::join(found->providers, ", ")));
    } else {
        f.note("onnx runtime", found.error().message + "; --inference native, the default, needs none of it");
    }
    auto store = inference::model_store::open(folder);
    if (!store) {
        f.bad("models", store.error().message);
        return;
    }
    for (const auto& e : store->entries()) {
        const auto path = store->find(e);
        if (!path) {
            const bool needed = e.id == "face_landmark_with_attention" || e.id == "retinaface_mnet25";
            needed ? f.bad(e.role, path.error().message) : f.note(e.role, path.error().message);
            continue;
        }
        const auto sha = inference::sha256_of(*path);
        if (sha && *sha == e.sha256) {
            f.ok(e.role, fmt::format("{} ({})", path->string(), e.licence));
        } else {
            f.bad(e.role, fmt::format("{} differs from the catalogue; `make setup` restores it", path->string()));
        }
    }
}

void check_media(findings& f) {
    f.ok("ffmpeg", media::ffmpeg_version());
    const auto decoders = media::hardware_decoders();
    if (decoders.empty()) {
        f.note("gpu decoding", "FFmpeg has no hardware decoder; videos are decoded on the CPU");
    } else {
        f.ok("gpu decoding", fmt::format("{}", fmt::join(decoders, ", ")));
    }
    const auto cameras = media::list_cameras();
    if (cameras.empty()) f.note("cameras", "none; plug one in, or use a file or a stream");
    for (const auto& c : cameras) {
        if (c.readable) {
            f.ok("camera", fmt::format("{} {}", c.path, c.name));
        } else {
            f.note("camera", fmt::format("{} {}: no permission; add yourself to the group video", c.path, c.name));
        }
    }
}

}  // namespace

declared add_doctor(CLI::App& app) {
    auto folder = std::make_shared<std::string>();
    auto* doctor = app.add_subcommand("doctor", "report what this machine has, what is missing, and how to get it");
    doctor->add_option("--models", *folder, "folder to look for models in first")->type_name("DIR");
    give_examples(*doctor, {{"Before the first run", "faceflow doctor"},
                            {"With models of your own", "faceflow doctor --models ~/models"}});
    return {doctor, [folder](const given&) {
                findings f;
                check_machine(f);
                check_cuda(f);
                check_inference(f, *folder);
                check_media(f);
                if (f.bad_count() == 0) to_stdout("\nEverything that a run needs is here.\n");
                return f.bad_count() == 0 ? exit_done : exit_failed;
            }};
}

}  // namespace faceflow::internal::cli
