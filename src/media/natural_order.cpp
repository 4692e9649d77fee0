#include "media/natural_order.hpp"

#include <glob.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <memory>

namespace faceflow::media {

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
    static constexpr std::array<std::string_view, 16> known = {"jpg", "jpeg", "jpe",  "png", "bmp", "webp",
                                                               "gif", "tif",  "tiff", "tga", "ppm", "pgm",
                                                               "pbm", "pnm",  "jp2",  "qoi"};
    const std::size_t dot = path.find_last_of("./");
    if (dot == std::string_view::npos || path[dot] != '.') return false;
    std::string extension(path.substr(dot + 1));
    std::ranges::transform(extension, extension.begin(), lower);
    return std::ranges::find(known, extension) != known.end();
}

bool has_wildcard(std::string_view input) noexcept {
    return input.find_first_of("*?[") != std::string_view::npos;
}

result<std::vector<std::string>> pictures_in_folder(const std::string& folder) {
    std::vector<std::string> found;
    std::error_code code;
    std::filesystem::directory_iterator entries(folder, code);
    for (; !code && entries != std::filesystem::directory_iterator(); entries.increment(code)) {
        const std::string name = entries->path().filename().string();
        std::error_code ignored;
        if (!name.starts_with('.') && has_picture_extension(name) && !entries->is_directory(ignored)) {
            found.push_back(entries->path().string());
        }
    }
    if (code) return fail(errc::io, "cannot list the folder " + folder + ": " + code.message());
    if (found.empty()) {
        return fail(errc::not_found, "the folder " + folder +
                                         " holds no pictures (jpg, png, webp, bmp, tiff …): give one that does, or a "
                                         "video file");
    }
    std::ranges::sort(found, natural_less);
    return found;
}

result<std::vector<std::string>> pictures_of_pattern(const std::string& pattern) {
    glob_t matches{};
    const std::unique_ptr<glob_t, decltype(&globfree)> owner(&matches, &globfree);
    glob(pattern.c_str(), GLOB_TILDE, nullptr, &matches);
    if (matches.gl_pathc == 0) return fail(errc::not_found, "no file matches " + pattern);
    std::vector<std::string> found;
    for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
        const std::string path = matches.gl_pathv[i];
        std::error_code ignored;
        if (has_picture_extension(path) && !std::filesystem::is_directory(path, ignored)) found.push_back(path);
    }
    if (found.empty()) {
        return fail(errc::unsupported, "none of the " + std::to_string(matches.gl_pathc) + " files that match " +
                                           pattern + " is a picture: give videos one by one");
    }
    std::ranges::sort(found, natural_less);
    return found;
}

}  // namespace faceflow::media
