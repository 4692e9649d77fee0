// SPDX-License-Identifier: Apache-2.0
// Media made on the spot with FFmpeg's command-line tools, shared by the media tests.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "media/source.hpp"

namespace faceflow::internal::media::testing_media {

// One folder for the whole test binary: what one test made, the next may use.
inline const std::filesystem::path& folder() {
    struct owned {
        std::filesystem::path path;
        owned() {
            std::string pattern = (std::filesystem::temp_directory_path() / "faceflow-media-XXXXXX").string();
            path = mkdtemp(pattern.data());
        }
        ~owned() {
            std::error_code ignored;
            std::filesystem::remove_all(path, ignored);
        }
    };
    static const owned made;
    return made.path;
}

inline std::string at(const std::string& file) {
    return (folder() / file).string();
}

inline std::string output_of(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
    std::string text;
    std::array<char, 4096> part{};
    while (const std::size_t got = fread(part.data(), 1, part.size(), pipe.get()))
        text.append(part.data(), got);
    return text;
}

// `file` made by ffmpeg from these arguments; once.
inline std::string make(const std::string& file, const std::string& arguments) {
    const std::string path = at(file);
    if (std::filesystem::exists(path)) return path;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const std::string command = "ffmpeg -nostdin -v error -y " + arguments + " '" + path + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return path;
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// 4 s, 100 frames, H.264 with B-frames, one keyframe a second, sound.
inline std::string plain_video() {
    return make("plain.mp4",
                "-f lavfi -i testsrc2=s=160x120:r=25:d=4 -f lavfi -i sine=d=4 -pix_fmt yuv420p -g 25 -c:a aac "
                "-movflags +faststart");
}

struct everything {
    std::vector<read_frame> frames;
    std::vector<error> errors;
};

// Reads to the end; stops at the first final error.
inline everything read_all(source& from) {
    everything read;
    for (;;) {
        auto next = from.next();
        if (!next) {
            read.errors.push_back(next.error());
            if (next.error().code != errc::corrupt) return read;
        } else if (!*next) {
            return read;
        } else {
            read.frames.push_back(std::move(**next));
        }
    }
}

inline double seconds(const read_frame& read) {
    return static_cast<double>(read.frame.pts_ns) / 1e9;
}

inline std::unique_ptr<source> open_or_fail(const std::string& input, const source_options& options = {}) {
    auto opened = open_source(input, options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
}

}  // namespace faceflow::internal::media::testing_media
