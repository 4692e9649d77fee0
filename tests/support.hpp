// SPDX-License-Identifier: Apache-2.0
// Small helpers shared by tests.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "faceflow/types.hpp"
#include "frame/layout.hpp"

namespace faceflow::internal::test {

// Expects a result to hold a value and shows its error when not.
#define ASSERT_OK(expression) ASSERT_TRUE((expression).has_value()) << (expression).error().message
#define EXPECT_OK(expression) EXPECT_TRUE((expression).has_value()) << (expression).error().message

// The checkout with its models and clips; FACEFLOW_ROOT names another one, for a build that was carried to another machine.
inline std::filesystem::path checkout() {
    const char* named = std::getenv("FACEFLOW_ROOT");
    return named != nullptr ? named : FACEFLOW_SOURCE_DIR;
}

// Built with a sanitizer: slower by far, and memory that was freed is kept for a while.
inline constexpr bool sanitized = FACEFLOW_SANITIZED != 0;

inline constexpr std::size_t mib = std::size_t{1} << 20;

// A program of the build that this test is one of.
inline std::string program(const std::string& name) {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

// Four faces for twenty seconds, at 1920x1080; and the same at 640x360, which the build makes of it.
inline const std::filesystem::path demo = checkout() / "assets/demo.mp4";
inline const std::filesystem::path small_demo = program("small.mp4");

// A folder of its own for each test, removed at the end.
class temporary_folder {
public:
    temporary_folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "faceflow-test-XXXXXX").string();
        path_ = mkdtemp(pattern.data());
    }
    ~temporary_folder() {
        std::error_code ec;
        std::filesystem::remove_all(path_, ec);
    }
    temporary_folder(const temporary_folder&) = delete;
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline std::string contents(const std::filesystem::path& path) {
    // Inserted, not read by iterators, which throw when a process ends while its file in /proc is read.
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

template <class T>
std::vector<T> binary_file(const std::filesystem::path& path) {
    const std::string bytes = contents(path);
    std::vector<T> out(bytes.size() / sizeof(T));
    std::copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(out.size() * sizeof(T)),
              reinterpret_cast<char*>(out.data()));
    return out;
}

// A picture with memory of its own, exactly as large as it must be: sanitizers see every byte read beyond it.
struct owned_picture {
    image view;
    std::vector<std::vector<std::uint8_t>> planes;
};

inline owned_picture random_picture(pixel_format format, std::int32_t width, std::int32_t height, std::uint32_t seed,
                                    std::int32_t extra_stride = 0) {
    owned_picture p;
    p.view.format = format;
    p.view.width = width;
    p.view.height = height;
    std::mt19937 random(seed);
    const auto layout = layout_of(format);
    if (layout.rgb) p.view.matrix = colour_matrix::rgb;
    for (int i = 0; i < plane_count(format); ++i) {
        const auto extent = extent_of(format, width, height, i);
        const std::size_t stride = extent.row_bytes + static_cast<std::size_t>(extra_stride);
        auto& bytes = p.planes.emplace_back(stride * static_cast<std::size_t>(extent.rows - 1) + extent.row_bytes);
        for (auto& b : bytes)
            b = static_cast<std::uint8_t>(random());
        if (layout.component[0].bytes == 2 && layout.depth < 16 && layout.component[0].shift == 0) {
            for (std::size_t k = 1; k < bytes.size(); k += 2)
                bytes[k] &= static_cast<std::uint8_t>((1 << (layout.depth - 8)) - 1);
        }
        p.view.planes[static_cast<std::size_t>(i)] = {bytes.data(), static_cast<std::int32_t>(stride)};
    }
    return p;
}

inline constexpr pixel_format every_format[] = {
    pixel_format::gray8,     pixel_format::gray10le,  pixel_format::gray12le,  pixel_format::gray16le,
    pixel_format::nv12,      pixel_format::nv21,      pixel_format::nv16,      pixel_format::i420,
    pixel_format::i422,      pixel_format::i440,      pixel_format::i444,      pixel_format::i411,
    pixel_format::i420_10le, pixel_format::i422_10le, pixel_format::i444_10le, pixel_format::i420_12le,
    pixel_format::i422_12le, pixel_format::i444_12le, pixel_format::p010le,    pixel_format::p012le,
    pixel_format::yuyv422,   pixel_format::uyvy422,   pixel_format::rgb24,     pixel_format::bgr24,
    pixel_format::rgba32,    pixel_format::bgra32,    pixel_format::argb32,    pixel_format::abgr32,
    pixel_format::gbrp,      pixel_format::gbrp10le,  pixel_format::pal8};

}  // namespace faceflow::internal::test
