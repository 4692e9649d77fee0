// SPDX-License-Identifier: Apache-2.0
#include "media/natural_order.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <glob.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <memory>

#include "media/sources.hpp"

namespace faceflow::internal::media {

namespace {

bool digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
char lower(char c) noexcept {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

std::string_view take_number(std::string_view& text) noexcept {
    std::size_t length = 0;
    while (length < text.size() && digit(text[length]))
        ++length;
    std::string_view number = text.substr(0, length);
    text.remove_prefix(length);
    while (number.size() > 1 && number.front() == '0')
        number.remove_prefix(1);
    return number;
}

// A file with a picture's name is not opened here, only when its turn comes.
void sort_in(const std::filesystem::path& file, picture_list& list) {
    if (has_picture_extension(file.native()) || is_picture(file.native())) {
        list.paths.push_back(file.native());
    } else {
        list.left_out.push_back(file.filename().native());
    }
}

void put_in_order(picture_list& list) {
    std::ranges::sort(list.paths, natural_less);
    std::ranges::sort(list.left_out, natural_less);
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) noexcept {
    const std::string_view whole_a = a;
    const std::string_view whole_b = b;
    while (!a.empty() && !b.empty()) {
        if (digit(a.front()) && digit(b.front())) {
            const std::string_view x = take_number(a);
            const std::string_view y = take_number(b);
            if (x.size() != y.size()) return x.size() < y.size();
            if (x != y) return x < y;
        } else {
            if (lower(a.front()) != lower(b.front())) return lower(a.front()) < lower(b.front());
            a.remove_prefix(1);
            b.remove_prefix(1);
        }
    }
    if (a.empty() != b.empty()) return a.empty();
    return whole_a < whole_b;
}

bool has_picture_extension(std::string_view path) {
    static constexpr std::array<std::string_view, 32> known = {
        "jpg",  "jpeg", "jpe", "jfif", "png", "bmp", "webp", "gif", "tif", "tiff", "tga",
        "ppm",  "pgm",  "pbm", "pnm",  "pam", "pfm", "jp2",  "j2k", "jxl", "avif", "heic",
        "heif", "qoi",  "exr", "pcx",  "psd", "dds", "dpx",  "sgi", "hdr", "ico"};
    const std::size_t dot = path.find_last_of("./");
    if (dot == std::string_view::npos || path[dot] != '.') return false;
    std::string extension(path.substr(dot + 1));
    std::ranges::transform(extension, extension.begin(), lower);
    return std::ranges::find(known, extension) != known.end();
}

bool has_wildcard(std::string_view input) noexcept {
    return input.find_first_of("*?[") != std::string_view::npos;
}

std::string describe_left_out(const picture_list& list, const std::string& of) {
    constexpr std::size_t max_named = 5;
    const std::size_t count = list.left_out.size();
    if (count == 0) return {};
    std::string text =
        fmt::format("left out {} file{} of {} that {}: {}", count, count == 1 ? "" : "s", of,
                    count == 1 ? "is no picture" : "are no pictures",
                    fmt::join(list.left_out.begin(),
                              list.left_out.begin() + static_cast<std::ptrdiff_t>(std::min(count, max_named)), ", "));
    if (count > max_named) text += fmt::format(" and {} more", count - max_named);
    return text;
}

result<picture_list> pictures_in_folder(const std::string& folder) {
    picture_list found;
    std::error_code code;
    std::filesystem::directory_iterator entries(folder, code);
    for (; !code && entries != std::filesystem::directory_iterator(); entries.increment(code)) {
        std::error_code ignored;
        if (!entries->path().filename().string().starts_with('.') && !entries->is_directory(ignored))
            sort_in(entries->path(), found);
    }
    if (code) return fail(errc::io, "cannot list the folder " + folder + ": " + code.message());
    put_in_order(found);
    if (found.paths.empty()) {
        const std::string others = describe_left_out(found, "it");
        return fail(errc::not_found, "the folder " + folder +
                                         " holds no pictures (jpg, png, webp, bmp, tiff …): give one that does, or a "
                                         "video file" +
                                         (others.empty() ? "" : " (" + others + ")"));
    }
    return found;
}

result<picture_list> pictures_of_pattern(const std::string& pattern) {
    glob_t matches{};
    const std::unique_ptr<glob_t, decltype(&globfree)> owner(&matches, &globfree);
    glob(pattern.c_str(), GLOB_TILDE, nullptr, &matches);
    if (matches.gl_pathc == 0) return fail(errc::not_found, "no file matches " + pattern);
    picture_list found;
    for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
        const std::string path = matches.gl_pathv[i];
        std::error_code ignored;
        if (!std::filesystem::is_directory(path, ignored)) sort_in(path, found);
    }
    put_in_order(found);
    if (found.paths.empty()) {
        return fail(errc::unsupported, "none of the " + std::to_string(matches.gl_pathc) + " files that match " +
                                           pattern + " is a picture: give videos one by one");
    }
    return found;
}

}  // namespace faceflow::internal::media
