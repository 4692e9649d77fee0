// SPDX-License-Identifier: Apache-2.0
// What tests of the annotated video share.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "media/video_writer.hpp"
#include "media_testing.hpp"

namespace faceflow::internal::media::testing_media {

inline face some_face(std::int64_t track, rect box) {
    face made;
    made.track = track;
    made.box = box;
    for (int i = 0; i < landmark_count; ++i) {
        const float angle = static_cast<float>(i) * 0.37F;
        made.landmarks[i] = {box.x + box.width * (0.5F + 0.4F * std::cos(angle)),
                             box.y + box.height * (0.5F + 0.4F * std::sin(angle)), 0};
    }
    made.pose.matrix = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, -50, 0, 0, 0, 1};
    return made;
}

inline frame_faces faces_in(const host_frame& frame, std::vector<face> faces) {
    return {frame.id, frame.pts_ns, frame.picture.upright_width(), frame.picture.upright_height(), std::move(faces)};
}

// All of `input` through the writer, a face in the middle of every frame.
inline result<std::string> annotate(const std::string& input, const std::string& output, source_options from = {},
                                    std::string audio_from = "") {
    auto opened = open_source(input, from);
    if (!opened) return tl::unexpected(opened.error());
    video_writer_options options;
    options.path = output;
    options.audio_from = std::move(audio_from);
    options.start_seconds = from.start_seconds.value_or(0);
    options.frames_per_second = (*opened)->info().frames_per_second;
    auto writer = video_writer::create(options);
    if (!writer) return tl::unexpected(writer.error());
    for (;;) {
        auto next = (*opened)->next();
        if (!next) return tl::unexpected(next.error());
        if (!*next) break;
        const host_frame& frame = (*next)->frame;
        const auto w = static_cast<float>(frame.picture.upright_width());
        const auto h = static_cast<float>(frame.picture.upright_height());
        auto wrote = (*writer)->write(frame, faces_in(frame, {some_face(1, {w / 4, h / 4, w / 2, h / 2})}));
        if (!wrote) return tl::unexpected(wrote.error());
    }
    if (auto finished = (*writer)->finish(); !finished) return tl::unexpected(finished.error());
    return (*writer)->audio_note();
}

inline std::string probe(const std::string& file, const std::string& stream, const std::string& entry) {
    std::string text = output_of("ffprobe -v error -select_streams " + stream + " -show_entries stream=" + entry +
                                 " -of csv=p=0 '" + file + "'");
    std::erase(text, '\n');
    return text;
}

inline bool leftovers(const std::string& name) {
    const std::filesystem::directory_iterator entries(folder());
    return std::ranges::any_of(entries, [&](const auto& entry) {
        const std::string file = entry.path().filename().string();
        return file.starts_with("." + name) && file.find(".part-") != std::string::npos;
    });
}

// Frames of the plain video, with two faces each.
inline std::vector<annotated_frame> some_annotated(std::size_t count) {
    const auto opened = open_or_fail(plain_video());
    std::vector<annotated_frame> frames;
    while (opened && frames.size() < count) {
        auto next = opened->next();
        if (!next || !*next) break;
        const auto at = static_cast<float>(frames.size());
        const host_frame& frame = (*next)->frame;
        frames.push_back({frame, faces_in(frame, {some_face(1, {at, 20, 60, 80}), some_face(2, {70, at, 50, 40})})});
    }
    return frames;
}

}  // namespace faceflow::internal::media::testing_media
