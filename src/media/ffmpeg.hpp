// SPDX-License-Identifier: Apache-2.0
// Owners for libav objects, and translation of its error numbers. The only header that includes FFmpeg's.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <cstdint>
#include <memory>
#include <string>

#include "faceflow/result.hpp"

namespace faceflow::internal::media {

struct libav_deleter {
    void operator()(AVFormatContext* context) const noexcept { avformat_close_input(&context); }
    void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
    void operator()(AVBSFContext* filter) const noexcept { av_bsf_free(&filter); }
    void operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }
    void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
    void operator()(AVDictionary* dictionary) const noexcept { av_dict_free(&dictionary); }
    void operator()(SwsContext* context) const noexcept { sws_freeContext(context); }
    void operator()(AVIOContext* io) const noexcept {
        av_freep(static_cast<void*>(&io->buffer));
        avio_context_free(&io);
    }
};

using input_ptr = std::unique_ptr<AVFormatContext, libav_deleter>;
using codec_ptr = std::unique_ptr<AVCodecContext, libav_deleter>;
using bitstream_filter_ptr = std::unique_ptr<AVBSFContext, libav_deleter>;
using frame_ptr = std::unique_ptr<AVFrame, libav_deleter>;
using packet_ptr = std::unique_ptr<AVPacket, libav_deleter>;
using scaler_ptr = std::unique_ptr<SwsContext, libav_deleter>;
using io_ptr = std::unique_ptr<AVIOContext, libav_deleter>;  // for buffers allocated with av_malloc

// libav takes options by pointer to pointer and hands back those that it did not recognise.
class dictionary {
public:
    dictionary() = default;
    dictionary(const dictionary&) = delete;
    dictionary& operator=(const dictionary&) = delete;
    ~dictionary() { av_dict_free(&entries_); }

    void set(const char* key, const std::string& value) { av_dict_set(&entries_, key, value.c_str(), 0); }
    [[nodiscard]] AVDictionary** out() noexcept { return &entries_; }

private:
    AVDictionary* entries_ = nullptr;
};

// The protocols through which a local file may name other files, as a list for libav's `protocol_whitelist`: only local
// ones.
inline constexpr const char* local_protocols = "file,crypto,data";

// Limit of a picture's pixels, 16K by 16K: a header that claims more is damaged, or an attempt to exhaust memory.
inline constexpr std::int64_t most_pixels = std::int64_t{1} << 28;

// Silences libav's log (callers get its errors as values), registers its device inputs, and keeps OpenCV's drawing on
// the calling thread. Idempotent, thread-safe; every entry point of this folder calls it.
void prepare_libav();

// libav's message for an error number.
[[nodiscard]] std::string libav_message(int code);

// The errc of a libav error number.
[[nodiscard]] errc libav_errc(int code) noexcept;

}  // namespace faceflow::internal::media
