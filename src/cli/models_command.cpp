#include <fmt/format.h>

#include "cli/commands.hpp"
#include "inference/catalogue.hpp"

namespace faceflow::cli {
namespace {

int list(const std::string& folder) {
    auto store = inference::model_store::open(folder);
    if (!store) return report(store.error());
    for (const auto& e : store->entries()) {
        const auto path = store->find(e);
        fmt::print("{}\n  {}\n  file:    {}\n  source:  {}\n  licence: {}\n", e.id, e.what,
                   path ? path->string() : "missing: " + e.file, e.source, e.licence);
    }
    return exit_done;
}

int verify(const std::string& folder) {
    auto store = inference::model_store::open(folder);
    if (!store) return report(store.error());
    int bad = 0;
    for (const auto& e : store->entries()) {
        const auto path = store->find(e);
        if (!path) {
            fmt::print("MISSING  {:<32} {}\n", e.id, path.error().message);
            ++bad;
            continue;
        }
        const auto sha = inference::sha256_of(*path);
        const bool right = sha && *sha == e.sha256;
        fmt::print("{}  {:<32} {}\n", right ? "ok     " : "CHANGED", e.id, path->string());
        if (!right) ++bad;
    }
    if (bad == 0) return exit_done;
    fmt::print(
        stderr,
        "faceflow: {} of {} models missing or not as the catalogue has them; `make setup` fetches and converts them\n",
        bad, store->entries().size());
    return exit_failed;
}

}  // namespace

declared add_models(CLI::App& app) {
    struct arguments {
        std::string folder;
        CLI::App *list = nullptr, *verify = nullptr;
    };
    auto a = std::make_shared<arguments>();
    auto* models = app.add_subcommand("models", "the models: where they come from, and whether their bytes are right");
    models->require_subcommand(1);
    models->add_option("--models", a->folder, "folder to look for models in first")->type_name("DIR");
    a->list = models->add_subcommand("list", "each model with its file, source and licence");
    a->verify = models->add_subcommand("verify", "compare every file's SHA-256 with the catalogue");
    return {models, [a] { return a->list->parsed() ? list(a->folder) : verify(a->folder); }};
}

}  // namespace faceflow::cli
