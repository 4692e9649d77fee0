// SPDX-License-Identifier: Apache-2.0
#include "engine/annotated.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_set>

#include "media/picture_writer.hpp"

namespace faceflow::internal {
namespace fs = std::filesystem;

std::vector<annotated_target> name_annotated(const fs::path& out,
                                             const std::vector<const media::source_info*>& sources) {
    std::vector<annotated_target> all;
    std::unordered_set<std::string> beside_each_other;
    for (std::size_t i = 0; i < sources.size(); ++i) {
        const std::string name = sources.size() == 1 ? "annotated" : fmt::format("annotated-{}", i);
        annotated_target& a = all.emplace_back();
        if (!sources[i]->pictures) {
            a.target = out / (name + ".mp4");
            continue;
        }
        const bool alone = sources[i]->kind == media::source_kind::file;
        std::unordered_set<std::string> in_folder;
        for (const auto& file : media::annotated_names(sources[i]->files, alone ? beside_each_other : in_folder))
            a.pictures.push_back(out / (alone ? fs::path(file) : fs::path(name) / file));
        a.target = alone ? a.pictures.front() : out / name;
    }
    return all;
}

result<void> refuse_pictures_among_inputs(const std::vector<annotated_target>& annotated,
                                          const std::vector<const media::source_info*>& sources) {
    const auto identity = [](const fs::path& file) -> std::optional<std::pair<dev_t, ino_t>> {
        struct stat about {};
        if (::stat(file.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
        return std::pair(about.st_dev, about.st_ino);
    };
    const bool any = std::ranges::any_of(annotated, [](const annotated_target& a) { return !a.pictures.empty(); });
    std::set<std::pair<dev_t, ino_t>> inputs;
    for (const auto* source : sources) {
        for (const auto& file : source->files) {
            if (const auto known = any ? identity(file) : std::nullopt) inputs.insert(*known);
        }
    }
    for (const auto& a : annotated) {
        for (const auto& picture : a.pictures) {
            const auto there = identity(picture);
            if (!there || !inputs.contains(*there)) continue;
            return fail(errc::invalid_argument, fmt::format("{} is an input, and would be overwritten; choose another "
                                                            "place for what is written",
                                                            picture.string()));
        }
    }
    return {};
}

}  // namespace faceflow::internal
