// SPDX-License-Identifier: Apache-2.0
// Where frames come from: files, cameras, streams, folders of pictures. One interface for all.
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
#include "media/turn.hpp"

namespace faceflow {
class frame_store;
}

namespace faceflow::media {

// As a time to wait: until one is stopped.
inline constexpr std::chrono::milliseconds forever = std::chrono::milliseconds::max();

class decoder_share;

enum class source_kind { file, images, camera, stream, stdin_stream };

struct source_options {
    std::uint32_t number = 0;             // becomes frame_id::source
    std::optional<double> start_seconds;  // first frame at or after this time
    std::optional<double> end_seconds;    // last frame before this time
    int decode_threads = 0;               // 0: FFmpeg decides
    // Live inputs (cameras, rtsp, playlists without an end): how long one read may hang, and for how long a lost input is
    // sought again with a capped back-off before the source ends with an error.
    std::chrono::milliseconds read_timeout{5000};
    std::chrono::milliseconds reconnect_for = forever;
    turn_and_flip turn;  // of what is upright already: for cameras that hang otherwise than they say
    bool live = false;   // take a stream for live that does not say so of itself (video over plain HTTP)
    bool realtime =
        false;  // recorded frames come when their time has come, as those of a camera do; info().live is true then
    std::function<void(const std::string&)>
        note;  // told what a user should know while it happens: a camera lost, and back
    // Where given, frames are decoded there and stay there (see media/hardware.hpp); the device outlives the source and all its
    // frames. Those that it cannot decode come in host memory, or with `only_on_device` are an error (errc::unsupported).
    // Pictures always come in host memory.
    device* decode_on = nullptr;
    bool only_on_device = false;
    std::shared_ptr<frame_store> device_slots;  // of that device, shared with other sources; null: its own
    decoder_share* share = nullptr;  // of that device, with other sources; outlives this one; null: all of it
    std::stop_token stop;            // ends a blocked open_source, and then every `next`, with errc::interrupted
};

struct source_info {
    std::string input;               // as the user wrote it, less passwords; for an image folder the folder or glob
    std::vector<std::string> files;  // that are read, as paths; none of a camera or stream
    bool pictures = false;           // each of `files` is a still picture, and a frame
    source_kind kind = source_kind::file;
    bool live = false;       // frames come at their own pace and cannot be waited for
    std::int32_t width = 0;  // of the upright picture; 0 where not known before the first frame
    std::int32_t height = 0;
    double frames_per_second = 0;        // nominal; 0 unknown
    std::optional<std::int64_t> frames;  // estimate for progress; none for live inputs
    bool has_audio = false;
    std::string codec;
    std::vector<std::string> notes;  // what who gave the input should know of it
};

// What a read gave: a frame, or the end.
struct read_frame {
    host_frame frame;
    std::string path;  // the picture's own path for image inputs, else empty (the input is meant)
    std::string note;  // what its reader should know of it ("scan.tif has 3 pages; ..."); mostly empty
};

class source {
public:
    virtual ~source() = default;

    [[nodiscard]] virtual const source_info& info() const noexcept = 0;

    // Blocks for the next frame. nullopt: the end, for good. An error is about this frame or this moment only when
    // it is `corrupt` (the next read goes on behind it); every other error is final.
    // Not thread-safe, but `interrupt` may be called from any thread.
    [[nodiscard]] virtual result<std::optional<read_frame>> next() = 0;

    // Makes a blocked and every later `next` return errc::interrupted soon.
    virtual void interrupt() noexcept = 0;

    // Reasons and counts of what was survived:
    //   corrupt_packet           bytes that did not decode and were skipped
    //   damaged_frame            delivered, but the decoder had to conceal errors in it
    //   truncated                the input ended before the length that it states
    //   timestamp_order          frames whose time did not grow, by a little: put between their neighbours
    //   timestamp_jump           the input's clock was set, back or on: time goes on after the last frame. For a moment, or for good
    //   timestamp_outlier        frames that were stamped wrong in such a moment: put between their neighbours
    //   stream_gap               a live stream's time went on by more than a second without a frame
    //   reconnect                a lost live input was opened anew
    //   converted_pixel_format   frames in a layout without a pixel_format of its own
    //   corrupt_picture          pictures of a folder that could not be read
    //   first_picture_only       files of several pictures (pages, an animation) of which the first was read
    //   left_out                 files of a folder or pattern that are no pictures
    //   decoded_on_cpu           frames that the CPU decoded beside a device: what that cannot decode, and those of sources that
    //                            its decoder has no time for, or is not ready for
    //   device_memory            frames that were decoded on the device and found no room in its pool
    [[nodiscard]] virtual std::map<std::string, std::uint64_t> survived() const = 0;
};

// For who runs the program, an input that cannot be read is one that is not there: errc::io would say that it cannot write.
[[nodiscard]] inline error as_input_error(error e) {
    if (e.code == errc::io || e.code == errc::timeout) e.code = errc::not_found;
    return e;
}

// Opens any INPUT of the command line: a path, a folder or glob of pictures, /dev/videoN, rtsp://, http(s)://, "-"
// for standard input. Files, pictures and standard input have their first frame decoded, so that what cannot be used
// fails here. Pictures of a folder or glob come in natural order (2 before 10), 1/25 s apart in time.
[[nodiscard]] result<std::unique_ptr<source>> open_source(const std::string& input, const source_options& options);

// INPUTs that are one source together.
using input_group = std::vector<std::string>;

// Picture files that follow each other are one source, as if they had been given as a folder: a shell makes many arguments of
// one pattern. Every other input is a source of its own. Opens one file at a time.
[[nodiscard]] std::vector<input_group> group_inputs(const std::vector<std::string>& inputs);

// The same as above of a group's one input; its pictures come in the order given, and are opened one after the other.
[[nodiscard]] result<std::unique_ptr<source>> open_source(const input_group& inputs, const source_options& options);

// What a local file says of its video, while no decoder is opened: nullopt of every other input, and of one that cannot be read.
[[nodiscard]] std::optional<source_info> look_at(const input_group& inputs, const source_options& options);

}  // namespace faceflow::media
