// SPDX-License-Identifier: Apache-2.0
#include "inference/catalogue.hpp"

#include "core/try.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/sha.h>
}

namespace faceflow::internal::inference {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view catalogue_file = "catalogue.toml";

result<std::string> text_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(errc::not_found, fmt::format("cannot read {}", path.string()));
    std::ostringstream text;
    text << in.rdbuf();
    return std::move(text).str();
}

bool is_sha256(std::string_view s) {
    return s.size() == 64 && s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

constexpr std::string_view stride_mark = "{stride}";
constexpr std::size_t max_strides = 3;
constexpr std::int64_t largest_stride = 256, largest_size = 4096;

// The outputs that a model needs for its role.
struct role_needs {
    std::string_view role, people_say;
    std::vector<std::string_view> outputs;
    bool has_cells;  // and so strides; else it takes pictures of one size
};
const std::vector<role_needs>& known_roles() {
    static const std::vector<role_needs> all{{"detector", "detector", {"scores", "boxes"}, true},
                                             {"landmarks", "mesh", {"landmarks", "score"}, false},
                                             {"blendshapes", "model of blendshapes", {"blendshapes"}, false}};
    return all;
}

tl::unexpected<error> wrong_graph(std::string_view id, std::string_view what) {
    return fail(errc::invalid_argument, fmt::format("model catalogue: [{}.graph] {}", id, what));
}

result<void> take_strides(std::string_view id, const toml::node& from, std::vector<std::int32_t>& into) {
    const auto* all = from.as_array();
    if (all == nullptr || all->size() > max_strides)
        return wrong_graph(id, fmt::format("strides must be a list of {} at most", max_strides));
    for (const auto& each : *all) {
        const auto stride = each.value<std::int64_t>();
        if (!stride || *stride < 1 || *stride > largest_stride)
            return wrong_graph(id, fmt::format("strides must be 1 to {}", largest_stride));
        into.push_back(static_cast<std::int32_t>(*stride));
    }
    return {};
}

result<void> take_outputs(std::string_view id, const toml::node& from, model_graph& into) {
    const auto* all = from.as_table();
    if (all == nullptr) return wrong_graph(id, "outputs must be names by what they hold");
    for (const auto& [what, node] : *all) {
        auto name = node.value<std::string>();
        if (!name || name->empty()) return wrong_graph(id, fmt::format("needs a name for outputs.{}", what.str()));
        into.outputs.emplace(std::string(what.str()), std::move(*name));
    }
    return {};
}

result<void> take_graph_key(std::string_view id, std::string_view key, const toml::node& from, model_graph& into) {
    if (key == "strides") return take_strides(id, from, into.strides);
    if (key == "outputs") return take_outputs(id, from, into);
    if (key == "input") {
        into.input = from.value<std::string>().value_or("");
        return {};
    }
    if (key == "size") {
        const auto size = from.value<std::int64_t>().value_or(0);
        if (size < 1 || size > largest_size) return wrong_graph(id, fmt::format("size must be 1 to {}", largest_size));
        into.size = static_cast<std::int32_t>(size);
        return {};
    }
    if (key != "scale" && key != "bias") return wrong_graph(id, fmt::format("has an unknown key '{}'", key));
    const auto number = from.value<double>();
    if (!number || !std::isfinite(*number)) return wrong_graph(id, fmt::format("{} must be a number", key));
    (key == "scale" ? into.scale : into.bias) = static_cast<float>(*number);
    return {};
}

result<model_graph> parse_graph(std::string_view id, const toml::table& table, std::string_view role) {
    const auto needs = std::ranges::find(known_roles(), role, &role_needs::role);
    if (needs == known_roles().end()) {
        return fail(
            errc::invalid_argument,
            fmt::format("model catalogue: [{}] role must be detector, landmarks or blendshapes, not '{}'", id, role));
    }
    const auto* keys = table["graph"].as_table();
    if (keys == nullptr) return wrong_graph(id, "is missing");
    model_graph graph;
    for (const auto& [key, node] : *keys) {
        FACEFLOW_TRY(take_graph_key(id, key.str(), node, graph));
    }
    if (graph.input.empty()) return wrong_graph(id, "needs the name of its input");
    for (const std::string_view output : needs->outputs) {
        if (!graph.outputs.contains(output))
            return wrong_graph(id,
                               fmt::format("needs a name for outputs.{}: a {} gives them", output, needs->people_say));
    }
    if (needs->has_cells && graph.strides.empty()) return wrong_graph(id, "needs strides: a detector has cells");
    if (!needs->has_cells && graph.size == 0) return wrong_graph(id, "needs a size: faces are cropped to it");
    return graph;
}

result<model_entry> parse_entry(std::string_view id, const toml::table& table) {
    model_entry e;
    e.id = id;
    const std::array<std::pair<std::string_view, std::string*>, 6> fields{{{"file", &e.file},
                                                                           {"role", &e.role},
                                                                           {"what", &e.what},
                                                                           {"source", &e.source},
                                                                           {"licence", &e.licence},
                                                                           {"sha256", &e.sha256}}};
    for (const auto& item : table) {
        const std::string_view key = item.first.str();
        if (key == "graph" || key == "bundle") continue;
        if (std::none_of(fields.begin(), fields.end(), [&](const auto& f) { return f.first == key; })) {
            return fail(errc::invalid_argument, fmt::format("model catalogue: [{}] has an unknown key '{}'", id, key));
        }
    }
    for (const auto& [key, value] : fields) {
        const auto text = table[key].value<std::string>();
        if (!text || text->empty()) {
            return fail(errc::invalid_argument, fmt::format("model catalogue: [{}] needs a string for '{}'", id, key));
        }
        *value = *text;
    }
    e.bundle = table["bundle"].value_or(std::string());
    if (!is_sha256(e.sha256)) {
        return fail(errc::invalid_argument,
                    fmt::format("model catalogue: [{}] sha256 must be 64 lower-case hex digits", id));
    }
    if (e.file.find('/') != std::string::npos || e.file == "." || e.file == "..") {
        return fail(errc::invalid_argument,
                    fmt::format("model catalogue: [{}] file must be a plain name, not '{}'", id, e.file));
    }
    FACEFLOW_ASSIGN(e.graph, parse_graph(id, table, e.role));
    return e;
}

// The folder of the program or shared library that contains this code, so that an installation can be relocated.
fs::path own_folder() {
    Dl_info info{};
    std::error_code ec;
    const fs::path self = dladdr(reinterpret_cast<const void*>(&sha256_of), &info) != 0 && info.dli_fname != nullptr
                              ? fs::path(info.dli_fname)
                              : fs::path("/proc/self/exe");
    return fs::canonical(fs::exists(self, ec) ? self : fs::path("/proc/self/exe"), ec).parent_path();
}

}  // namespace

std::string model_graph::output(std::string_view what, std::int32_t stride) const {
    const auto at = outputs.find(what);
    if (at == outputs.end()) return {};
    std::string name = at->second;
    if (const auto mark = name.find(stride_mark); mark != std::string::npos)
        name.replace(mark, stride_mark.size(), std::to_string(stride));
    return name;
}

result<std::vector<model_entry>> parse_catalogue(std::string_view text) {
    toml::table parsed;
    try {
        parsed = toml::parse(text);
    } catch (const toml::parse_error& e) {
        return fail(errc::invalid_argument,
                    fmt::format("model catalogue: line {}: {}", e.source().begin.line, e.description()));
    }
    std::vector<model_entry> entries;
    for (const auto& [key, node] : parsed) {
        const auto* table = node.as_table();
        if (table == nullptr) {
            return fail(errc::invalid_argument, fmt::format("model catalogue: '{}' is not a table", key.str()));
        }
        FACEFLOW_ASSIGN(auto entry, parse_entry(key.str(), *table));
        entries.push_back(std::move(entry));
    }
    return entries;
}

fs::path imported_models() {
    const char* const data = std::getenv("XDG_DATA_HOME");
    if (data != nullptr && *data == '/') return fs::path(data) / "faceflow/models";
    const char* const home = std::getenv("HOME");
    return home != nullptr && *home == '/' ? fs::path(home) / ".local/share/faceflow/models" : fs::path();
}

result<fs::path> find_converter() {
    const fs::path own = own_folder(), script = "convert_mediapipe.py";
    const std::array<fs::path, 3> folders{own.parent_path() / "share/faceflow/tools",
                                          own.parent_path().parent_path() / "share/faceflow/tools",
                                          fs::path(FACEFLOW_SOURCE_DIR) / "tools"};
    std::error_code ec;
    const auto* const at =
        std::ranges::find_if(folders, [&](const fs::path& f) { return fs::is_regular_file(f / script, ec); });
    if (at != folders.end()) return *at / script;
    std::vector<std::string> looked(folders.size());
    std::ranges::transform(folders, looked.begin(), [](const fs::path& f) { return f.string(); });
    return fail(errc::not_found, fmt::format("{} is in none of {}: this installation is not whole", script.string(),
                                             fmt::join(looked, ", ")));
}

result<std::string> sha256_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return fail(errc::not_found, fmt::format("cannot read {}", file.string()));
    const std::unique_ptr<AVSHA, decltype(&av_free)> sha(av_sha_alloc(), av_free);
    av_sha_init(sha.get(), 256);
    std::array<char, 65536> chunk{};
    while (in.read(chunk.data(), chunk.size()) || in.gcount() > 0) {
        av_sha_update(sha.get(), reinterpret_cast<const std::uint8_t*>(chunk.data()),
                      static_cast<std::size_t>(in.gcount()));
    }
    std::array<std::uint8_t, 32> digest{};
    av_sha_final(sha.get(), digest.data());
    return fmt::format("{:02x}", fmt::join(digest, ""));
}

result<model_store> model_store::open(const fs::path& folder) {
    model_store store;
    std::error_code ec;
    const auto add = [&](const fs::path& p) {
        if (!p.empty() && fs::is_directory(p, ec)) store.folders_.push_back(fs::weakly_canonical(p, ec));
    };
    if (!folder.empty() && !fs::is_directory(folder, ec)) {
        return fail(errc::not_found, fmt::format("the model folder {} does not exist", folder.string()));
    }
    add(folder);
    if (const char* from_environment = std::getenv("FACEFLOW_MODELS")) add(from_environment);
    add(imported_models());
    const fs::path own = own_folder();
    add(own.parent_path() / "share/faceflow/models");                // bin, lib
    add(own.parent_path().parent_path() / "share/faceflow/models");  // lib/x86_64-linux-gnu
    add(fs::path(FACEFLOW_SOURCE_DIR) / "models");
    add(fs::path(FACEFLOW_SOURCE_DIR) / "assets/models");

    for (const auto& p : store.folders_) {
        const fs::path path = p / catalogue_file;
        if (!fs::exists(path, ec)) continue;
        FACEFLOW_ASSIGN(auto text, text_of(path));
        auto entries = parse_catalogue(text);
        if (!entries) return fail(entries.error().code, fmt::format("{}: {}", path.string(), entries.error().message));
        store.entries_ = std::move(*entries);
        return store;
    }
    std::vector<std::string> looked;
    for (const auto& p : store.folders_)
        looked.push_back(p.string());
    return fail(
        errc::not_found,
        fmt::format("no model catalogue ({}) in {}; set FACEFLOW_MODELS or --models to the folder with the models",
                    catalogue_file, fmt::join(looked, ", ")));
}

result<model_entry> model_store::entry(std::string_view id) const {
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.id == id; });
    if (at != entries_.end()) return *at;
    std::vector<std::string> known;
    for (const auto& e : entries_)
        known.push_back(e.id);
    return fail(errc::not_found, fmt::format("no model '{}' in the catalogue; it has {}", id, fmt::join(known, ", ")));
}

result<fs::path> model_store::find(const model_entry& entry) const {
    std::error_code ec;
    std::vector<std::string> looked;
    for (const auto& folder : folders_) {
        if (fs::is_regular_file(folder / entry.file, ec)) return folder / entry.file;
        looked.push_back(folder.string());
    }
    if (!entry.bundle.empty()) {
        return fail(errc::not_found,
                    fmt::format("the model {} ({}) is not in {}; `faceflow models import {}` makes it; {}", entry.id,
                                entry.file, fmt::join(looked, ", "), entry.bundle, entry.source));
    }
    return fail(errc::not_found,
                fmt::format("the model {} ({}) is not in {}; `make setup` fetches it, or copy it there; source: {}",
                            entry.id, entry.file, fmt::join(looked, ", "), entry.source));
}

}  // namespace faceflow::internal::inference
