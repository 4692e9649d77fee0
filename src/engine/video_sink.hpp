// The annotated video of one source of a run.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "core/queue.hpp"
#include "faceflow/result.hpp"
#include "media/video_writer.hpp"

namespace faceflow {

// Encodes on a thread of its own, a few frames behind. One thread at a time writes and finishes.
class video_sink {
public:
    explicit video_sink(media::video_writer_options options)
        : options_(std::move(options)),
          thread_([this] { encode(); }) {}
    ~video_sink() {
        items_.close();
        if (thread_.joinable()) thread_.join();
    }
    video_sink(const video_sink&) = delete;

    // Waits for room. Frames in ascending order of time; an error of writing shows in finish.
    void write(const host_frame& frame, const frame_faces& faces) { items_.push({frame, faces}); }

    // The path, or nullopt when there was nothing to write.
    result<std::optional<std::filesystem::path>> finish() {
        items_.close();
        thread_.join();
        if (!failed_) return tl::unexpected(failed_.error());
        if (!writer_) return std::nullopt;
        if (auto r = writer_->finish(); !r) return tl::unexpected(std::move(r.error()));
        return options_.path;
    }

    // Why the video has no sound although the input has, or empty.
    std::string audio_note() const { return writer_ ? writer_->audio_note() : std::string(); }

private:
    struct item {
        host_frame frame;
        frame_faces faces;
    };
    void encode() {
        while (auto i = items_.pop()) {
            if (!failed_) continue;  // drain, so that nobody waits for room
            failed_ = encode_one(*i);
        }
    }
    result<void> encode_one(const item& i) {
        if (!writer_) {
            auto made = media::video_writer::create(options_);
            if (!made) return tl::unexpected(std::move(made.error()));
            writer_ = std::move(*made);
        }
        return writer_->write(i.frame, i.faces);
    }

    const media::video_writer_options options_;
    std::unique_ptr<media::video_writer> writer_;
    result<void> failed_;
    bounded_queue<item> items_{8, queue_policy::block};
    std::thread thread_;
};

}  // namespace faceflow
