// SPDX-License-Identifier: Apache-2.0
// An opened input: its container, and the video stream in it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "media/composition.hpp"
#include "media/fd_io.hpp"
#include "media/ffmpeg.hpp"
#include "media/io_guard.hpp"
#include "media/source.hpp"

namespace faceflow::media {

struct demuxer {
    std::unique_ptr<fd_io> io;  // null where libav opens the address itself; outlives `format`
    input_ptr format;
    AVStream* video = nullptr;
    bool live = false;
    bool playlist = false;  // HLS, DASH: of segments, which says itself whether more are to come
    bool has_audio = false;
    std::optional<composition> shown;  // where libav does not say when frames are shown, and the file does
};

// Puts into a packet of the video when it is shown, where `shown` has to say it.
void state_when_shown(const demuxer& opened, AVPacket& packet) noexcept;

[[nodiscard]] bool is_dash(const demuxer& opened) noexcept;

// For an MP4 whose index lies behind its pictures, and that comes by a pipe.
inline constexpr const char* index_advice =
    "what came in is no video that can be read front to back; an MP4 whose index is at its end must be given as a file "
    "(or be "
    "made with -movflags +faststart)";

// Whether that is what it is, where no picture came of it.
[[nodiscard]] bool index_was_missed(const demuxer& opened) noexcept;

// Opens what `kind` says `input` is. The guard must outlive the demuxer. Live inputs give up after the options'
// read_timeout. Live playlists begin a few segments before their end, and earlier by what was `missed` of them. Of files, only what lies
// behind `from_byte` is seen. Errors name the input and what to do.
[[nodiscard]] result<demuxer> open_demuxer(const std::string& input, source_kind kind, const source_options& options,
                                           io_guard& guard, std::chrono::seconds missed = {},
                                           std::int64_t from_byte = 0);

}  // namespace faceflow::media
