// SPDX-License-Identifier: Apache-2.0
// Sources of frames: files, cameras, streams, folders of pictures, behind one interface.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "faceflow/result.hpp"
#include "frame/host_frame.hpp"
#include "media/hardware_opener.hpp"
#include "media/turn.hpp"

namespace faceflow::internal {
class frame_store;
}

namespace faceflow::internal::media {

// For a time to wait: without limit.
inline constexpr std::chrono::milliseconds forever = std::chrono::milliseconds::max();

class decoder_share;

enum class source_kind { file, images, camera, stream, stdin_stream };

struct source_options {
    std::uint32_t number = 0;             // becomes frame_id::source
    std::optional<double> start_seconds;  // first frame at or after this time
    std::optional<double> end_seconds;    // last frame before this time
    int decode_threads = 0;               // 0: FFmpeg decides
    // Live inputs (cameras, rtsp, playlists without an end): the longest time that a read may block, and how long to
    // reconnect a lost input, with capped back-off, before the source ends with an error.
    std::chrono::milliseconds read_timeout{5000};
    std::chrono::milliseconds reconnect_for = forever;
    turn_and_flip turn;     // additional turn, for cameras mounted otherwise than they state
    bool live = false;      // treat a stream as live that does not say so itself (video over plain HTTP)
    bool realtime = false;  // recorded frames come when they are due, as from a camera; info().live is then true
    std::function<void(const std::string&)> note;  // takes events for the user at once: a camera was lost, or is back
    // If set, frames are decoded on this device, by its `open_hardware`, and stay there (see media/hardware.hpp); it
    // outlives the source and all its frames. Frames that it cannot decode come in host memory, or are
    // errc::unsupported with `only_on_device`. Pictures always come in host memory.
    device* decode_on = nullptr;
    hardware_opener open_hardware = nullptr;
    bool only_on_device = false;
    std::shared_ptr<frame_store> device_slots;  // of that device, shared with other sources; null: its own
    decoder_share* share = nullptr;  // of that device, with other sources; outlives this one; null: no sharing
    std::stop_token stop;            // ends a blocked open_source, and then every `next`, with errc::interrupted
};

struct source_info {
    std::string input;               // as the user wrote it, without passwords; for pictures, the folder or pattern
    std::vector<std::string> files;  // paths of the files read; empty for a camera or stream
    bool pictures = false;           // each of `files` is a still picture and one frame
    source_kind kind = source_kind::file;
    bool live = false;       // frames come at their own pace and cannot be waited for
    std::int32_t width = 0;  // of the upright picture; 0: unknown before the first frame
    std::int32_t height = 0;
    double frames_per_second = 0;        // nominal; 0: unknown
    std::optional<std::int64_t> frames;  // estimate for progress; nullopt for live inputs
    bool has_audio = false;
    std::string codec;
    std::vector<std::string> notes;  // for the user, about the input
};

// A frame that was read.
struct read_frame {
    host_frame frame;
    std::string path;  // the picture's own path for image inputs, else empty (the input is meant)
    std::string note;  // for the user, about this picture ("scan.tif has 3 pages; ..."); usually empty
};

class source {
public:
    virtual ~source() = default;

    [[nodiscard]] virtual const source_info& info() const noexcept = 0;

    // Blocks until the next frame. nullopt: the end. `corrupt` concerns only this frame, and the next read continues
    // after it; every other error is final. Not thread-safe, but `interrupt` may be called from any thread.
    [[nodiscard]] virtual result<std::optional<read_frame>> next() = 0;

    // Makes a blocked `next`, and every later one, return errc::interrupted soon.
    virtual void interrupt() noexcept = 0;

    // Counts of survived errors, by reason:
    //   corrupt_packet           bytes that could not be decoded and were skipped
    //   damaged_frame            delivered, but the decoder had to conceal errors in it
    //   truncated                the input ended before its stated length
    //   timestamp_order          frames whose time did not grow, by a little: placed between their neighbours
    //   timestamp_jump           the input's clock was set back or forward, for a moment or for good: time continues
    //                            after the last frame
    //   timestamp_outlier        frames with wrong timestamps during such a moment: placed between their neighbours
    //   stream_gap               a live stream's time advanced by more than a second without a frame
    //   reconnect                a lost live input was reopened
    //   converted_pixel_format   frames in a layout without a pixel_format of its own
    //   corrupt_picture          pictures of a folder that could not be read
    //   first_picture_only       files of several pictures (pages, an animation) of which only the first was read
    //   left_out                 files of a folder or pattern that are no pictures
    //   decoded_on_cpu           frames that the CPU decoded although there is a device: its decoder does not support
    //                            them, has no time for the source, or is not ready for it
    //   device_memory            frames that were decoded on the device but found no room in its pool
    [[nodiscard]] virtual std::map<std::string, std::uint64_t> survived() const = 0;
};

// To the user, an unreadable input is one that does not exist: errc::io would mean a write error.
[[nodiscard]] inline error as_input_error(error e) {
    if (e.code == errc::io || e.code == errc::timeout) e.code = errc::not_found;
    return e;
}

// Opens any INPUT of the command line: a path, a folder or glob of pictures, /dev/videoN, rtsp://, http(s)://, or "-"
// for standard input. Decodes the first frame of files, pictures and standard input, so that unusable inputs fail here.
// Pictures of a folder or glob come in natural order (2 before 10), 1/25 s apart in time.
[[nodiscard]] result<std::unique_ptr<source>> open_source(const std::string& input, const source_options& options);

// INPUTs that form one source.
using input_group = std::vector<std::string>;

// Consecutive picture files form one source, as if given as a folder, because a shell expands a pattern to many
// arguments. Every other input is its own source. Opens one file at a time.
[[nodiscard]] std::vector<input_group> group_inputs(const std::vector<std::string>& inputs);

// The same for a group; its pictures come in the given order and are opened one by one.
[[nodiscard]] result<std::unique_ptr<source>> open_source(const input_group& inputs, const source_options& options);

// A local file's statements about its video, without opening a decoder: nullopt for any other input, and for an
// unreadable one.
[[nodiscard]] std::optional<source_info> look_at(const input_group& inputs, const source_options& options);

}  // namespace faceflow::internal::media
