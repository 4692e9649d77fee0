// SPDX-License-Identifier: Apache-2.0
// annotated.mp4: the upright frames with what was found drawn on them, and the source's audio.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"
#include "media/remux.hpp"

namespace faceflow::media {

struct video_writer_options {
    std::filesystem::path path;     // grows beside it and gets its name by finish() (core/part_file.hpp)
    std::string token;              // of the part; empty: one of its own
    std::string audio_from;         // file whose audio is kept, if MP4 can hold it as it is; empty for none
    double start_seconds = 0;       // where the run began in the input; becomes time 0 of what is written
    double frames_per_second = 30;  // nominal; frames keep their own timestamps
    int threads = 0;                // of the encoder; 0: the encoder decides
};

struct finished_video {
    std::filesystem::path path;
    std::string note;  // what a user should know of it; empty: all is well
};

class video_writer {
public:
    [[nodiscard]] static result<std::unique_ptr<video_writer>> create(video_writer_options options);
    virtual ~video_writer() = default;

    // Draws `faces` onto a copy of the frame and encodes it. Frames must come in ascending pts_ns. The first frame fixes
    // the size; later frames of another size are scaled into it.
    [[nodiscard]] virtual result<void> write(const host_frame& frame, const frame_faces& faces) = 0;

    // Why there will be no sound although a source of it was named; empty when there is, or none was.
    [[nodiscard]] virtual const std::string& audio_note() const noexcept = 0;

    // What was written so far goes to the disk. It is fragmented MP4, which reads whenever its writing stops; frames are some
    // tens behind, for the encoder looks ahead, and a fragment is a second. May run beside write.
    [[nodiscard]] virtual result<void> sync() = 0;

    // Flushes, ends the audio with the last frame, makes an ordinary MP4 with its index at the front, and names it.
    [[nodiscard]] virtual result<finished_video> finish() = 0;

    // After a failure: what was written gets a name (part_file::keep), which is given; nullopt where nothing was. Without
    // finish, keep or discard the part stays where it is.
    [[nodiscard]] virtual std::optional<std::filesystem::path> keep() = 0;
    virtual void discard() noexcept = 0;
};

}  // namespace faceflow::media
