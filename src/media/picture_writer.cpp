// SPDX-License-Identifier: Apache-2.0
#include "media/picture_writer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/part_file.hpp"
#include "core/thread.hpp"
#include "core/try.hpp"
#include "media/annotate.hpp"
#include "media/byte_reader.hpp"
#include "media/picture_file.hpp"

namespace faceflow::internal::media {
namespace fs = std::filesystem;

namespace {

constexpr const char* png_extension = ".png";

bool is_png(const std::string& path) {
    std::array<std::uint8_t, 8> head{};
    const auto file = picture_file::open(path);
    return file && file->size() >= static_cast<off_t>(head.size()) && file->read(head.data(), head.size()) &&
           starts_with(head, "\x89PNG");
}

// Shortens a name so that every name derived from it, its part's included, fits the 255 bytes of file systems. Never
// cuts within a character.
std::string shortened(std::string name) {
    constexpr std::size_t most = 200;
    if (name.size() <= most) return name;
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80)
        --end;
    name.resize(end);
    return name;
}

int write_all(int descriptor, const AVPacket& packet) {
    for (int done = 0; done < packet.size;) {
        const ssize_t some = ::write(descriptor, packet.data + done, static_cast<std::size_t>(packet.size - done));
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return some < 0 ? errno : EIO;
        done += static_cast<int>(some);
    }
    return 0;
}

class picture_writer final : public video_writer {
public:
    explicit picture_writer(picture_writer_options options) : options_(std::move(options)) {
        if (options_.token.empty()) options_.token = make_part_token();
        for (std::size_t i = options_.pictures.size(); i-- > 0;)
            targets_[options_.pictures[i]].push_back(options_.files[i]);
    }

    // Check first: a folder without write access should fail before the first picture is computed.
    result<void> create() {
        if (!options_.own_folder) return {};
        std::error_code code;
        made_folder_ = fs::create_directory(options_.target, code);
        if (code || !fs::is_directory(options_.target, code)) {
            return fail(errc::io, "cannot make the folder " + options_.target.string() + ": " +
                                      (code ? code.message() : "something else of that name is there") +
                                      "; choose another with --out");
        }
        if (::access(options_.target.c_str(), W_OK | X_OK) != 0)
            return fail(errc::io, explain_io("write into", options_.target, errno));
        return {};
    }

    // One after the other: each may take gigabytes.
    result<void> write(std::span<const annotated_frame> frames) override {
        for (const auto& [frame, faces] : frames)
            FACEFLOW_TRY(write_one(frame, faces));
        return {};
    }

    const std::string& audio_note() const noexcept override { return no_note_; }
    result<void> sync() override { return {}; }  // each is synced before it is renamed

    result<finished_video> finish() override {
        std::string note;
        if (skipped_ > 0) note = fmt::format("{} picture(s) could not be annotated; {}", skipped_, why_skipped_);
        return finished_video{options_.own_folder ? options_.target : named_, std::move(note)};
    }

    std::optional<fs::path> keep() override {
        if (written_ > 0) return options_.own_folder ? options_.target : named_;
        discard();
        return std::nullopt;
    }

    void discard() noexcept override {
        if (made_folder_) ::rmdir(options_.target.c_str());  // fails unless empty
    }

private:
    result<void> write_one(const host_frame& frame, const frame_faces& faces) {
        const auto found = frame.input ? targets_.find(*frame.input) : targets_.end();
        if (found == targets_.end() || found->second.empty())
            return fail(errc::internal, "received a picture that was not announced");
        const fs::path target = found->second.back();
        if (found->second.size() > 1) found->second.pop_back();  // named twice: one file each time
        // If there is no memory for a picture, it is skipped.
        auto coded = caught_result("drawing on a picture", [&]() -> result<packet_ptr> {
            FACEFLOW_ASSIGN(auto picture, annotate(frame.picture, faces));
            return encode_picture(picture, target.extension() == png_extension);
        });
        if (!coded) {
            if (skipped_++ == 0) why_skipped_ = *frame.input + ": " + coded.error().message;
            return {};
        }
        return put(target, **coded);
    }

    result<void> put(const fs::path& target, const AVPacket& packet) {
        FACEFLOW_ASSIGN(auto part, part_file::create(target, options_.token));
        if (const int code = write_all(part.descriptor(), packet); code != 0) {
            part.discard();
            return fail(errc::io, explain_io("write", target, code));
        }
        auto named = part.settle();
        if (!named) {
            const fs::path where = part.keep();
            return fail(named.error().code, named.error().message + "; it is whole, as " + where.string());
        }
        named_ = std::move(*named);
        ++written_;
        return {};
    }

    picture_writer_options options_;
    std::unordered_map<std::string, std::vector<fs::path>> targets_;  // by picture, the next one last
    bool made_folder_ = false;
    fs::path named_;  // the last one
    std::uint64_t written_ = 0, skipped_ = 0;
    std::string why_skipped_, no_note_;
};

}  // namespace

std::vector<std::string> annotated_names(const std::vector<std::string>& pictures,
                                         std::unordered_set<std::string>& taken) {
    std::vector<std::string> names;
    for (const auto& picture : pictures) {
        const fs::path path(picture);
        const std::string end = is_png(picture) ? png_extension : ".jpg";
        const std::string stem = shortened(path.stem().string()), whole = shortened(path.filename().string());
        std::string name = fmt::format("{}-annotated{}", stem, end);
        if (taken.contains(name)) name = fmt::format("{}-annotated{}", whole, end);
        for (int n = 2; taken.contains(name); ++n)
            name = fmt::format("{}-annotated-{}{}", stem, n, end);
        taken.insert(name);
        names.push_back(std::move(name));
    }
    return names;
}

result<std::unique_ptr<video_writer>> make_picture_writer(picture_writer_options options) {
    prepare_libav();
    auto made = std::make_unique<picture_writer>(std::move(options));
    FACEFLOW_TRY(made->create());
    return made;
}

}  // namespace faceflow::internal::media
