// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg.hpp"

extern "C" {
#include <libavdevice/avdevice.h>
}

#include <array>
#include <cerrno>
#include <mutex>
#include <opencv2/core/utility.hpp>

namespace faceflow::internal::media {

void prepare_libav() {
    static std::once_flag once;
    std::call_once(once, [] {
        av_log_set_level(AV_LOG_QUIET);
        // OpenCV would start one thread per processor, and end the program if it cannot.
        cv::setNumThreads(0);
        avdevice_register_all();
        avformat_network_init();
    });
}

std::string libav_message(int code) {
    std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
    av_strerror(code, text.data(), text.size());
    return text.data();
}

errc libav_errc(int code) noexcept {
    switch (code) {
        case AVERROR_INVALIDDATA: return errc::corrupt;
        case AVERROR_EXIT: return errc::interrupted;
        case AVERROR(ENOMEM): return errc::out_of_memory;
        case AVERROR(ETIMEDOUT): return errc::timeout;
        case AVERROR(ENOENT):
        case AVERROR(ENODEV):
        case AVERROR(ENXIO):
        case AVERROR_HTTP_NOT_FOUND: return errc::not_found;
        case AVERROR_DECODER_NOT_FOUND:
        case AVERROR_DEMUXER_NOT_FOUND:
        case AVERROR_PROTOCOL_NOT_FOUND:
        case AVERROR_PATCHWELCOME:
        case AVERROR(ENOSYS): return errc::unsupported;
        default: return errc::io;
    }
}

}  // namespace faceflow::internal::media
