// SPDX-License-Identifier: Apache-2.0
// Opens the source for an input as the user wrote it.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/try.hpp"
#include "media/ffmpeg.hpp"
#include "media/inventory.hpp"
#include "media/local_path.hpp"
#include "media/natural_order.hpp"
#include "media/pacer.hpp"
#include "media/picture_file.hpp"
#include "media/sources.hpp"
#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {

result<void> check_range(const source_options& options) {
    const double start = options.start_seconds.value_or(0);
    if (!(start >= 0)) return fail(errc::invalid_argument, "the start must be 0 seconds or later");
    if (options.end_seconds && !(*options.end_seconds > start)) {
        return fail(errc::invalid_argument, "the end must come after the start");
    }
    return {};
}

std::string known_cameras() {
    std::string list;
    for (const camera& known : list_cameras()) {
        list += (list.empty() ? "" : ", ") + known.path + (known.name.empty() ? "" : " (" + known.name + ")");
    }
    return list.empty() ? "this machine has no camera" : "this machine has " + list;
}

tl::unexpected<error> missing(const std::string& input, int code) {
    if (code == EACCES) return fail(errc::io, "no permission to reach " + input + ": check the folders above it");
    if (code != ENOENT && code != ENOTDIR) {
        return fail(errc::io, "cannot reach " + input + ": " + std::generic_category().message(code));
    }
    if (input.starts_with("/dev/video")) {
        return fail(errc::not_found, "there is no camera " + input + ": " + known_cameras());
    }
    return fail(errc::not_found, "there is no file or folder " + input + ": check the path");
}

result<std::unique_ptr<source>> open_folder(const std::string& input, const source_options& options) {
    FACEFLOW_ASSIGN(auto pictures, pictures_in_folder(input));
    return open_image_source(input, source_kind::images, std::move(pictures), options);
}

result<std::unique_ptr<source>> open_pattern(const std::string& input, const source_options& options) {
    FACEFLOW_ASSIGN(auto pictures, pictures_of_pattern(input));
    return open_image_source(input, source_kind::images, std::move(pictures), options);
}

result<std::unique_ptr<source>> open_file(const std::string& input, const struct stat& about,
                                          const source_options& options) {
    if (S_ISREG(about.st_mode) && about.st_size == 0) return fail(errc::corrupt, input + " is empty (0 bytes)");
    if (S_ISREG(about.st_mode) && is_picture(input)) {
        return open_image_source(input, source_kind::file, {{input}, {}}, options);
    }
    return open_demux_source(input, source_kind::file, options);
}

result<std::unique_ptr<source>> open_path(const std::string& input, const source_options& options) {
    struct stat about {};
    if (stat(input.c_str(), &about) != 0) {
        const int code = errno;
        return code == ENOENT && has_wildcard(input) ? open_pattern(input, options) : missing(input, code);
    }
    if (::access(input.c_str(), R_OK) != 0) {
        return fail(errc::io,
                    "no permission to read " + input +
                        (S_ISCHR(about.st_mode) ? ": add your user to the group `video`" : ": see `ls -l` on it"));
    }
    if (S_ISDIR(about.st_mode)) return open_folder(input, options);
    if (S_ISCHR(about.st_mode)) {
        if (!input.starts_with("/dev/video") && !input.starts_with("/dev/v4l")) {
            return fail(errc::unsupported, input + " is a device but not a camera: " + known_cameras());
        }
        return open_demux_source(input, source_kind::camera, options);
    }
    if (!S_ISREG(about.st_mode) && !S_ISFIFO(about.st_mode)) {
        return fail(errc::unsupported, input + " is not a file, folder, camera or pipe");
    }
    return open_file(input, about, options);
}

// A picture by its content, or by its name if the content is not something else (an animated GIF is a video).
bool is_picture_file(const std::string& input) {
    if (input.empty() || input == "-") return false;
    const auto local = local_path(input);
    struct stat about {};
    if (!local || ::stat(local->c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
    const picture_kind kind = kind_of_file(*local);
    return picture_file::is_still(kind) || (kind.form == picture_form::none && has_picture_extension(*local));
}

result<std::unique_ptr<source>> open_as_it_is(const std::string& input, const source_options& options) {
    if (input.empty()) {
        return fail(errc::invalid_argument, "the input is empty: give a file, folder, camera, address or -");
    }
    FACEFLOW_TRY(check_range(options));
    if (input == "-") return open_demux_source(input, source_kind::stdin_stream, options);
    FACEFLOW_ASSIGN(const auto path, local_path(input));
    if (path == input && input.find("://") != std::string::npos)
        return open_demux_source(input, source_kind::stream, options);
    return open_path(path, options);
}

result<std::unique_ptr<source>> as_asked(result<std::unique_ptr<source>> opened, const source_options& options) {
    if (!opened || !options.realtime || (*opened)->info().live) return opened;
    return make_realtime(std::move(*opened), options.stop);
}

}  // namespace

std::vector<input_group> group_inputs(const std::vector<std::string>& inputs) {
    std::vector<input_group> groups;
    bool pictures = false;  // the last group is one of pictures
    for (const auto& input : inputs) {
        const bool picture = inputs.size() > 1 && is_picture_file(input);
        if (picture && pictures) {
            groups.back().push_back(input);
        } else {
            groups.push_back({input});
        }
        pictures = picture;
    }
    return groups;
}

std::optional<source_info> look_at(const input_group& inputs, const source_options& options) {
    const auto path =
        inputs.size() == 1 && inputs.front() != "-" ? local_path(inputs.front()) : result<std::string>("");
    struct stat about {};
    if (!path || ::stat(path->c_str(), &about) != 0 || !S_ISREG(about.st_mode) || is_picture(*path))
        return std::nullopt;
    prepare_libav();
    io_guard guard(options.stop);
    const auto opened = open_demuxer({.input = *path, .options = options}, guard);
    if (!opened) return std::nullopt;
    return describe(*opened, *path, source_kind::file, options);
}

result<std::unique_ptr<source>> open_source(const std::string& input, const source_options& options) {
    prepare_libav();
    return as_asked(open_as_it_is(input, options), options);
}

result<std::unique_ptr<source>> open_source(const input_group& inputs, const source_options& options) {
    if (inputs.size() == 1) return open_source(inputs.front(), options);
    prepare_libav();
    FACEFLOW_TRY(check_range(options));
    std::vector<std::string> paths;
    for (const auto& input : inputs)
        paths.push_back(local_path(input).value_or(input));
    const std::string name = inputs.front() + " and " + std::to_string(inputs.size() - 1) + " more";
    return as_asked(open_image_source(name, source_kind::images, {std::move(paths), {}}, options), options);
}

}  // namespace faceflow::internal::media
