// SPDX-License-Identifier: Apache-2.0
// An opened input: its container and its video stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "media/composition.hpp"
#include "media/fd_io.hpp"
#include "media/ffmpeg.hpp"
#include "media/io_guard.hpp"
#include "media/source.hpp"

namespace faceflow::internal::media {

// An input, and how to open it.
struct demuxer_request {
    std::string input;
    source_kind kind = source_kind::file;
    source_options options = {};
    std::chrono::seconds missed{};  // live playlists start a few segments before their end, and earlier by this time
    std::int64_t from_byte = 0;     // of files, only what follows is read

    [[nodiscard]] std::string name() const;  // for messages, without passwords
};

struct demuxer {
    std::unique_ptr<fd_io> io;  // null if libav opens the address itself; outlives `format`
    input_ptr format;
    AVStream* video = nullptr;
    bool live = false;
    bool playlist = false;  // HLS, DASH: consists of segments and states whether more will come
    bool has_audio = false;
    std::int64_t from_byte = 0;        // of the request
    std::optional<composition> shown;  // display times from the file, where libav does not provide them
};

// Sets the display time of a video packet from `shown`, if needed.
void state_when_shown(const demuxer& opened, AVPacket& packet) noexcept;

[[nodiscard]] bool is_dash(const demuxer& opened) noexcept;

// For an MP4 that comes through a pipe and has its index at the end.
inline constexpr const char* index_advice =
    "it is not a video that can be read from front to back; an MP4 whose index is at its end must be given as a file "
    "(or "
    "be made with -movflags +faststart)";

// Whether that is the case; ask when no picture could be read.
[[nodiscard]] bool index_was_missed(const demuxer& opened) noexcept;

// The guard must outlive the demuxer. Live inputs give up after the options' read_timeout. Errors name the input and
// what to do.
[[nodiscard]] result<demuxer> open_demuxer(const demuxer_request& request, io_guard& guard);

}  // namespace faceflow::internal::media
