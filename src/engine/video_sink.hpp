// SPDX-License-Identifier: Apache-2.0
// The annotated video, or the annotated pictures, of one source of a run.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/queue.hpp"
#include "core/thread.hpp"
#include "core/try.hpp"
#include "faceflow/result.hpp"
#include "frame/downloader.hpp"
#include "media/video_writer.hpp"

namespace faceflow::internal {

// Encodes on its own thread, a few frames behind; downloads frames from a device there; the device outlives the sink.
// Call write, finish, keep and discard from one thread at a time; sync may run concurrently with write.
class video_sink {
public:
    // `writer` has created the file, or holds the error that prevented it. `failed` is called with the first error, on
    // the sink's thread; frames written afterwards are dropped.
    [[nodiscard]] static result<std::unique_ptr<video_sink>> open(result<std::unique_ptr<media::video_writer>> writer,
                                                                  std::filesystem::path target,
                                                                  std::function<void(const error&)> failed) {
        if (!writer) return tl::unexpected(std::move(writer.error()));
        const std::string path = target.string();
        std::unique_ptr<video_sink> made(new video_sink(std::move(*writer), std::move(target), std::move(failed)));
        auto* const self = made.get();
        auto thread = start_thread(
            "encoding " + path, [self] { self->encode(); }, [self](const error& e) { self->fail_with(e); });
        if (!thread) {
            made->writer_->discard();
            return tl::unexpected(std::move(thread.error()));
        }
        made->thread_ = std::move(*thread);
        return made;
    }
    ~video_sink() { join(); }
    video_sink(const video_sink&) = delete;

    // Blocks until there is room. Frames must come in ascending order of time.
    void write(const host_frame& frame, const frame_faces& faces) {
        ++frames_;
        if (auto r = caught("drawing a frame", [&] { items_.push({frame, faces}); }); !r) fail_with(r.error());
    }

    // Syncs the file to the disk.
    [[nodiscard]] result<void> sync() { return failed() ? result<void>() : writer_->sync(); }

    // Nullopt, and no file, when nothing was written.
    [[nodiscard]] result<std::optional<media::finished_video>> finish() {
        join();
        if (auto e = failed()) return tl::unexpected(std::move(*e));
        if (frames_ == 0) {
            writer_->discard();
            return std::nullopt;
        }
        FACEFLOW_ASSIGN(auto finished, writer_->finish());
        return std::optional(std::move(finished));
    }

    // Where the video up to a failure is; nullopt if nothing was kept.
    [[nodiscard]] std::optional<std::filesystem::path> keep() {
        join();
        return writer_->keep();
    }

    void discard() noexcept {
        join();
        writer_->discard();
    }

    [[nodiscard]] std::optional<error> failed() const {
        const std::lock_guard lock(mutex_);
        return failed_;
    }

    [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }

    // Why the video has no sound although the input has; else empty. Valid after finish.
    [[nodiscard]] const std::string& audio_note() const { return writer_->audio_note(); }

private:
    video_sink(std::unique_ptr<media::video_writer> writer, std::filesystem::path target,
               std::function<void(const error&)> failed)
        : writer_(std::move(writer)),
          target_(std::move(target)),
          on_failure_(std::move(failed)) {}

    void encode() {
        while (auto next = items_.pop()) {
            if (failed()) return;
            if (auto wrote = write_from(*std::move(next)); !wrote) return fail_with(wrote.error());
        }
    }

    // Writes a frame, and with it those that wait behind it, as far as they are drawn side by side: of frames from a
    // device one at a time, because the next download overwrites its memory.
    result<void> write_from(media::annotated_frame first) {
        std::vector<media::annotated_frame> frames;
        std::optional next = std::move(first);
        result<void> there;
        while (next) {
            const bool from_device = next->frame.on_device != nullptr;
            there = bring_down(next->frame);
            if (!there) break;
            frames.push_back(*std::move(next));
            if (from_device || frames.size() >= writer_->at_once()) break;
            next = items_.try_pop();
        }
        FACEFLOW_TRY(writer_->write(frames));
        return there;
    }

    // Downloads a frame that was decoded on a device; its slot becomes free.
    result<void> bring_down(host_frame& f) {
        const auto there = std::exchange(f.on_device, nullptr);
        if (there == nullptr) return {};
        device& d = there->stored->slot.source()->owner();
        if (!down_ || &down_->owner() != &d) {
            FACEFLOW_ASSIGN(auto made, downloader::create(d));
            down_.emplace(std::move(made));
        }
        FACEFLOW_ASSIGN(f.picture, down_->fetch(*there, stage::sink));
        return {};
    }

    void fail_with(const error& e) {
        {
            const std::lock_guard lock(mutex_);
            if (failed_) return;
            failed_ = e;
        }
        items_.close();  // no writer waits for room any more
        while (items_.try_pop()) {
        }
        on_failure_(e);
    }

    void join() noexcept {
        items_.close();
        if (thread_.joinable()) thread_.join();
    }

    std::unique_ptr<media::video_writer> writer_;
    const std::filesystem::path target_;
    std::function<void(const error&)> on_failure_;
    mutable std::mutex mutex_;
    std::optional<error> failed_;
    std::uint64_t frames_ = 0;
    std::optional<downloader> down_;  // used only by the sink's thread
    bounded_queue<media::annotated_frame> items_{3, queue_policy::block};
    std::thread thread_;
};

}  // namespace faceflow::internal
