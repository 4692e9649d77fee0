// annotated.mp4: the upright frames with what was found drawn on them, and the source's audio.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::media {

struct video_writer_options {
    std::filesystem::path path;     // written beside under a temporary name, renamed by finish()
    std::string audio_from;         // file whose audio is kept, if MP4 can hold it as it is; empty for none
    double start_seconds = 0;       // where the run began in the input; becomes time 0 of what is written
    double frames_per_second = 30;  // nominal; frames keep their own timestamps
    int threads = 0;                // of the encoder; 0: the encoder decides
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

    // Flushes, ends the audio with the last frame, renames. Without it the destructor removes what was written.
    [[nodiscard]] virtual result<void> finish() = 0;
};

}  // namespace faceflow::media
