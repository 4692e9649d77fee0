// SPDX-License-Identifier: Apache-2.0
// annotated.mp4: the upright frames with their faces drawn on them, and the source's audio.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/worker_pool.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"
#include "media/remux.hpp"

namespace faceflow::internal::media {

struct video_writer_options {
    std::filesystem::path path;     // grows beside it and is renamed by finish() (core/part_file.hpp)
    std::string token;              // of the part; empty: a new one
    std::string audio_from;         // file whose audio is copied, if MP4 can hold it unchanged; empty: none
    double start_seconds = 0;       // where the run began in the input; becomes time 0 of the video
    double frames_per_second = 30;  // nominal; frames keep their own timestamps
    int threads = 0;                // of the encoder; 0: the encoder decides
    worker_pool* pool = nullptr;    // helps to draw; outlives the writer. null: the caller draws alone
};

struct annotated_frame {
    host_frame frame;
    frame_faces faces;
};

struct finished_video {
    std::filesystem::path path;
    std::string note;  // for the user; empty: success
};

class video_writer {
public:
    [[nodiscard]] static result<std::unique_ptr<video_writer>> create(video_writer_options options);
    virtual ~video_writer() = default;

    // Draws the faces on copies of the frames, side by side if there are several, and encodes them in order. Frames must
    // come in ascending pts_ns. The first frame fixes the size; later frames of another size are scaled to it. If one
    // fails, those before it are written.
    [[nodiscard]] virtual result<void> write(std::span<const annotated_frame> frames) = 0;
    [[nodiscard]] result<void> write(const host_frame& frame, const frame_faces& faces) {
        const annotated_frame one{frame, faces};
        return write({&one, 1});
    }

    // How many frames write() can draw side by side.
    [[nodiscard]] virtual std::size_t at_once() const noexcept { return 1; }

    // Why there is no sound although audio_from was set; otherwise empty.
    [[nodiscard]] virtual const std::string& audio_note() const noexcept = 0;

    // Syncs what was written to the disk. It is fragmented MP4, readable wherever writing stops; it lags some tens of
    // frames behind, because the encoder looks ahead and a fragment is a second long. May run concurrently with write.
    [[nodiscard]] virtual result<void> sync() = 0;

    // Flushes, ends the audio with the last frame, converts to an ordinary MP4 with its index at the front, and renames
    // it.
    [[nodiscard]] virtual result<finished_video> finish() = 0;

    // After a failure: renames what was written (part_file::keep) and returns the name; nullopt if there is nothing.
    // Without finish, keep or discard the part stays in place.
    [[nodiscard]] virtual std::optional<std::filesystem::path> keep() = 0;
    virtual void discard() noexcept = 0;
};

}  // namespace faceflow::internal::media
