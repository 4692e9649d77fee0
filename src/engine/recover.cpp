// SPDX-License-Identifier: Apache-2.0
#include "engine/recover.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>

#include "core/part_file.hpp"
#include "core/try.hpp"
#include "engine/leftovers.hpp"
#include "engine/summary.hpp"
#include "faceflow/version.h"
#include "media/remux.hpp"
#include "media/row_formats.hpp"

namespace faceflow::internal {
namespace fs = std::filesystem;
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t max_document = std::size_t{16} << 20;  // limit for documents that are parsed whole

std::string read_all(int descriptor) {
    std::string text;
    struct stat about {};
    if (::fstat(descriptor, &about) != 0) return text;
    text.resize(std::min(static_cast<std::size_t>(about.st_size), max_document));
    const ssize_t got = ::pread(descriptor, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return text;
}

// Whether the file ends with a PNG's last chunk or a JPEG's last marker.
bool ends_like_a_picture(int descriptor) {
    constexpr std::string_view png("IEND\xae\x42\x60\x82", 8), jpeg("\xff\xd9", 2);
    struct stat about {};
    std::string end(png.size(), '\0');
    if (::fstat(descriptor, &about) != 0 || about.st_size < static_cast<off_t>(end.size())) return false;
    const off_t at = about.st_size - static_cast<off_t>(end.size());
    return ::pread(descriptor, end.data(), end.size(), at) == static_cast<ssize_t>(end.size()) &&
           (end == png || end.ends_with(jpeg));
}

// Recovers the files of one run.
class run_recovery {
public:
    run_recovery(const fs::path& folder, std::vector<leftover> parts, recovery& into)
        : folder_(folder),
          parts_(std::move(parts)),
          into_(into),
          taken_(std::ranges::any_of(parts_, [&](const leftover& l) {
              struct stat there {};
              return ::lstat((folder_ / l.name).c_str(), &there) == 0;
          })) {}

    result<void> run() {
        // The summary comes last: it describes the other files.
        for (const auto& l : parts_) {
            if (l.name == "summary.json") continue;
            FACEFLOW_TRY(recover_one(l));
        }
        if (!summary_is_theirs()) return {};
        return write_summary();
    }

private:
    std::optional<part_file> adopt(const leftover& l) {
        auto part = part_file::adopt(l.part);
        if (part) return std::move(*part);
        into_.notes.push_back(std::move(part.error().message));
        return std::nullopt;
    }

    result<void> recover_one(const leftover& l) {
        auto part = adopt(l);
        if (!part) return {};
        if (l.name.ends_with(".finishing")) {
            part->discard();  // an incomplete copy; its source still exists
            return {};
        }
        if (l.name.ends_with(".mp4")) return video(std::move(*part));
        if (is_annotated_picture(l.name)) return picture(std::move(*part));
        const auto* format = media::format_of_file(l.name);
        if (format == nullptr) return trace(std::move(*part));
        const media::whole_rows found = format->find_whole(part->descriptor());
        if (format->of_faces && (!rows_ || found.frames)) rows_ = found;
        if (found.bytes == 0) {
            part->discard();
            return {};
        }
        if (::ftruncate(part->descriptor(), found.bytes) != 0)
            return fail(errc::io, explain_io("cut to whole records", l.part, errno));
        return name(std::move(*part));
    }

    // Traces are written only at the end: an invalid one was cut off or not begun.
    result<void> trace(part_file part) {
        const auto text = read_all(part.descriptor());
        if (text.size() < max_document && !json::accept(text)) {
            part.discard();
            return {};
        }
        return name(std::move(part));
    }

    // A picture that was complete when its program died is renamed; earlier ones already have their names.
    result<void> picture(part_file part) {
        if (ends_like_a_picture(part.descriptor())) {
            const fs::path target = part.target();
            return name(std::move(part), target);
        }
        part.discard();
        return {};
    }

    result<void> video(part_file part) {
        struct stat about {};
        if (::fstat(part.descriptor(), &about) == 0 && about.st_size == 0) {
            part.discard();
            return {};
        }
        auto whole = media::make_whole(part, make_part_token());
        if (!whole) {
            into_.notes.push_back(fmt::format("{}; {} stays as it is", whole.error().message, part.path().string()));
            return {};
        }
        if (!whole->note.empty()) into_.notes.push_back(std::move(whole->note));
        return name(std::move(part));
    }

    fs::path wanted(const fs::path& target) const { return taken_ ? free_name_beside(target, "recovered") : target; }

    result<void> name(part_file part) {
        const fs::path as = wanted(part.target());
        return name(std::move(part), as);
    }

    result<void> name(part_file part, const fs::path& as) {
        const fs::path before = part.path();
        fs::path got = part.name_beside(as, "recovered");
        if (got == before)
            return fail(errc::io, fmt::format("{} is whole, and could not be renamed; rename it yourself, or make the "
                                              "folder one that you may write to",
                                              got.string()));
        into_.written.push_back(std::move(got));
        something_ = true;
        return {};
    }

    [[nodiscard]] const leftover* summary_part() const {
        const auto found = std::ranges::find(parts_, "summary.json", &leftover::name);
        return found == parts_.end() ? nullptr : &*found;
    }

    // A run killed before its first row, or while it renamed its last file, needs no summary.
    bool summary_is_theirs() {
        const auto* l = summary_part();
        if (something_ || l == nullptr) return something_;
        auto part = adopt(*l);
        if (!part) return false;
        if (parts_.size() == 1 && !read_all(part->descriptor()).empty()) return true;
        part->discard();
        return false;
    }

    result<void> write_summary() {
        const auto* l = summary_part();
        auto old = l != nullptr ? adopt(*l) : std::nullopt;
        json summary = json::object();
        if (old) {
            auto last = json::parse(read_all(old->descriptor()), nullptr, false);
            if (last.is_object()) summary = std::move(last);
        }
        enter(summary);
        auto part =
            old ? result<part_file>(std::move(*old)) : part_file::create(folder_ / "summary.json", make_part_token());
        if (!part) return tl::unexpected(std::move(part.error()));
        const std::string text = summary_text(summary);
        if (::pwrite(part->descriptor(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
            ::ftruncate(part->descriptor(), static_cast<off_t>(text.size())) != 0)
            return fail(errc::io, explain_io("write", part->target(), errno));
        FACEFLOW_TRY(name(std::move(*part)));
        ++into_.runs;
        into_.frames += summary["frames"].get<std::uint64_t>();
        return {};
    }

    void enter(json& summary) const {
        const auto number = [&](const char* key) {
            const auto found = summary.find(key);
            return found != summary.end() && found->is_number() ? found->get<double>() : 0.0;
        };
        const std::uint64_t frames =
            rows_ && rows_->frames ? *rows_->frames : static_cast<std::uint64_t>(std::max(0.0, number("frames")));
        summary["frames"] = frames;
        if (rows_) summary["faces"] = rows_->faces;
        if (!summary.contains("faces")) summary["faces"] = 0;
        if (const double seconds = number("seconds"); seconds > 0)
            summary["fps"] = std::round(static_cast<double>(frames) / seconds * 1000) / 1000;
        if (!summary.contains("version")) summary["version"] = FACEFLOW_VERSION;
        summary["recovered"] = true;
    }

    const fs::path& folder_;
    const std::vector<leftover> parts_;
    recovery& into_;
    const bool taken_;
    bool something_ = false;
    std::optional<media::whole_rows> rows_;  // of the format with the most rows
};

}  // namespace

result<recovery> recover(const fs::path& folder) {
    std::error_code ec;
    if (!fs::is_directory(folder, ec)) {
        return fail(errc::not_found, fmt::format("there is no folder {}; name the one that a run wrote into with --out",
                                                 folder.string()));
    }
    recovery all;
    const auto found = find_leftovers(folder);
    for (auto first = found.begin(); first != found.end();) {
        const auto last = std::find_if(first, found.end(), [&](const leftover& l) { return l.token != first->token; });
        const std::vector<leftover> run(first, last);
        first = last;
        if (std::ranges::any_of(run, &leftover::live)) {
            all.notes.push_back(
                fmt::format("a run that goes on writes into {}; what it has is left alone", folder.string()));
            continue;
        }
        FACEFLOW_TRY(run_recovery(folder, run, all).run());
    }
    return all;
}

}  // namespace faceflow::internal
