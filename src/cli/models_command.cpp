// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "analysis/engine_gate.hpp"
#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/import_models.hpp"
#include "cli/output.hpp"
#include "inference/catalogue.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::cli {
namespace {

int list(const std::string& folder) {
    auto store = inference::model_store::open(folder);
    if (!store) return report(store.error());
    for (const auto& e : store->entries()) {
        const auto path = store->find(e);
        to_stdout("{}\n  {}\n  file:    {}\n  source:  {}\n  licence: {}\n", e.id, e.what,
                  path ? path->string() : "missing: " + e.file, e.source, e.licence);
    }
    return exit_done;
}

void say(std::string_view state, std::string_view id, std::string_view what) {
    to_stdout("{:<7}  {:<32} {}\n", state, id, what);
}

// True if the plan beside a model matches it, or if there is none.
bool verify_plan(const inference::model_entry& e, const std::filesystem::path& model, const std::string& sha256) {
    const auto plan = inference::load_plan(model, sha256);
    if (plan) {
        say("ok", e.id, std::filesystem::path(model).replace_extension(".plan").string());
        return true;
    }
    if (plan.error().code == errc::not_found) {
        say("no plan", e.id, "only ONNX Runtime can run this model");
        return true;
    }
    say("CHANGED", e.id, plan.error().message);
    return false;
}

bool verify_entry(const inference::model_store& store, const inference::model_entry& e) {
    const auto path = store.find(e);
    if (!path && !e.bundle.empty()) {
        say("none", e.id, fmt::format("`faceflow models import {}` makes it", e.bundle));
        return true;
    }
    if (!path) {
        say("MISSING", e.id, path.error().message);
        return false;
    }
    const auto sha = inference::sha256_of(*path);
    const bool right = sha && *sha == e.sha256;
    say(right ? "ok" : "CHANGED", e.id, path->string());
    return verify_plan(e, *path, sha.value_or(e.sha256)) && right;
}

int verify(const std::string& folder) {
    auto store = inference::model_store::open(folder);
    if (!store) return report(store.error());
    const auto bad = std::count_if(store->entries().begin(), store->entries().end(),
                                   [&](const auto& e) { return !verify_entry(*store, e); });
    if (bad == 0) return exit_done;
    to_stderr(
        "faceflow: {} of {} models missing or different from the catalogue; `make setup` restores those that come with "
        "faceflow, and `faceflow models import` the others\n",
        bad, store->entries().size());
    return exit_failed;
}

struct models_arguments {
    std::string folder;
    analysis::gate_request gate;
    engine_options engine;
    std::string bundle, out;
    CLI::App *list = nullptr, *verify = nullptr, *import = nullptr, *build = nullptr;
};

int build_engines(const models_arguments& a, const given& options) {
    analysis::gate_request wanted = a.gate;
    wanted.chosen = a.engine.resolve();
    const auto done =
        analysis::build_engines(wanted, stop_on_signals(), [](const std::string& line) { to_stderr("{}\n", line); });
    if (!done) return report(done.error(), options);
    for (const auto& folder : done->folders)
        to_stdout("{}\n", folder.string());
    if (done->frames > 0)
        to_stdout("checked on {} frames: landmarks within {:.3f} px of fp32\n", done->frames, done->largest_px);
    return exit_done;
}

}  // namespace

declared add_models(CLI::App& app) {
    auto a = std::make_shared<models_arguments>();
    auto* models = app.add_subcommand("models", "list, check, import and prepare the models");
    models->require_subcommand(1);
    models->add_option("--models", a->folder, "folder to look for models in first")->type_name("DIR");
    a->list = models->add_subcommand("list", "list each model with its file, source and licence");
    a->verify = models->add_subcommand(
        "verify", "compare the SHA-256 of every file with the catalogue, and each plan with its model");
    a->import = models->add_subcommand(
        "import", "convert a file that you provide: face_landmarker.task to the v2 mesh and its blendshapes");
    a->import->add_option("FILE", a->bundle, "Google's face_landmarker.task")->type_name("FILE")->required();
    a->import
        ->add_option("--out", a->out,
                     "folder for the models; default: ~/.local/share/faceflow/models, where they are found")
        ->type_name("DIR");
    a->build = models->add_subcommand(
        "build-engines", "build TensorRT engines ahead of time, for the flow and batch sizes that the options select");
    a->engine.chosen.device = "cuda";
    add_engine_options(*a->build, a->engine);
    a->build
        ->add_option("--check", a->gate.input,
                     "a clip with faces, on which the engines are checked against fp32; required for fp16")
        ->type_name("INPUT");
    a->build->add_option("--tolerance", a->gate.tolerance_px, "maximum distance of landmarks from those of fp32")
        ->type_name("PX")
        ->capture_default_str();
    const char* const build_fp16 = "faceflow models build-engines --precision fp16 --check clip.mp4";
    give_examples(*models, {{"Where models come from, and their licences", "faceflow models list"},
                            {"Whether their files are intact", "faceflow models verify"},
                            {"TensorRT engines in fp16, checked against fp32 on a clip", build_fp16}});
    give_examples(*a->list, {{"Where models come from, and their licences", "faceflow models list"},
                             {"With models of your own", "faceflow models --models ~/models list"}});
    give_examples(*a->verify, {{"Whether the model files are intact", "faceflow models verify"},
                               {"With models of your own", "faceflow models --models ~/models verify"}});
    give_examples(*a->import,
                  {{"For --landmarks v2", "faceflow models import face_landmarker.task"},
                   {"Into a folder for --models", "faceflow models import face_landmarker.task --out models"}});
    give_examples(*a->build,
                  {{"For the usual flow, once for each card and version of TensorRT", "faceflow models build-engines"},
                   {"In fp16, checked against fp32 on a clip", build_fp16},
                   {"For passes of eight frames", "faceflow models build-engines --batch-frames 8"}});
    return {models, [a](const given& options) {
                if (a->build->parsed()) return build_engines(*a, options);
                if (a->import->parsed()) return import_models(a->bundle, a->out, a->folder);
                return a->list->parsed() ? list(a->folder) : verify(a->folder);
            }};
}

}  // namespace faceflow::internal::cli
