// SPDX-License-Identifier: Apache-2.0
#include "media/stream_facts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "media/address.hpp"

namespace faceflow::internal::media {

namespace {

// Matroska stores each stream's length as text: 00:00:02.040000000
std::optional<double> duration_tag(const AVStream& video) {
    const AVDictionaryEntry* tag = av_dict_get(video.metadata, "DURATION", nullptr, 0);
    int hours = 0;
    int minutes = 0;
    double seconds = 0;
    if (!tag || std::sscanf(tag->value, "%d:%d:%lf", &hours, &minutes, &seconds) != 3) return std::nullopt;
    return hours * 3600 + minutes * 60 + seconds;
}

std::optional<std::int64_t> expected_frames(const demuxer& opened, const source_options& options, double rate) {
    const std::optional<double> length = stated_length(*opened.format, *opened.video);
    if (!options.start_seconds && !options.end_seconds && opened.video->nb_frames > 0) return opened.video->nb_frames;
    if (!length || rate <= 0) return std::nullopt;
    const double from = options.start_seconds.value_or(0);
    const double to = std::min(options.end_seconds.value_or(*length), *length);
    return std::max<std::int64_t>(0, std::llround((to - from) * rate));
}

// Containers whose length is their end time, and does not depend on where other streams begin.
bool states_its_end(const AVFormatContext& format) {
    const std::string_view name = format.iformat->name;
    return name.starts_with("matroska") || name == "nut";
}

AVRational aspect_of(const AVStream& video) {
    const AVRational stated = video.sample_aspect_ratio;
    return stated.num > 0 && stated.den > 0 ? stated : video.codecpar->sample_aspect_ratio;
}

}  // namespace

std::int64_t seconds_to_ns(double seconds) noexcept {
    return std::llround(std::clamp(seconds, -9e9, 9e9) * 1e9);
}

stream_traits traits_of(const AVStream& video) {
    stream_traits traits;
    traits.codec = video.codecpar->codec_id;
    traits.aspect = video.sample_aspect_ratio;
    std::size_t size = 0;
    const std::uint8_t* matrix = av_stream_get_side_data(&video, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (matrix && size >= 9 * sizeof(std::int32_t)) {
        traits.turn = read_display_matrix(static_cast<const std::int32_t*>(static_cast<const void*>(matrix)));
    }
    return traits;
}

double frame_rate_of(const AVStream& video) noexcept {
    for (const AVRational rate : {video.avg_frame_rate, video.r_frame_rate}) {
        if (rate.num > 0 && rate.den > 0) return av_q2d(rate);
    }
    return 0;
}

std::optional<double> stated_length(const AVFormatContext& format, const AVStream& video) {
    if (format.duration_estimation_method == AVFMT_DURATION_FROM_BITRATE) return std::nullopt;
    const bool from_zero = states_its_end(format) && video.start_time != AV_NOPTS_VALUE && video.start_time > 0;
    const double begins = from_zero ? static_cast<double>(video.start_time) * av_q2d(video.time_base) : 0;
    std::optional<double> length = duration_tag(video);
    if (!length && video.duration != AV_NOPTS_VALUE && video.duration > 0) {
        length = static_cast<double>(video.duration) * av_q2d(video.time_base);
    }
    if (!length && format.duration != AV_NOPTS_VALUE && format.duration > 0) {
        length = static_cast<double>(format.duration) / AV_TIME_BASE;
    }
    if (!length || *length <= begins) return std::nullopt;
    return *length - begins;
}

source_info describe(const demuxer& opened, const std::string& input, source_kind kind, const source_options& options) {
    const AVCodecParameters& coded = *opened.video->codecpar;
    source_info info;
    info.input = without_secrets(input);
    if (kind == source_kind::file) info.files = {input};
    if (kind == source_kind::stdin_stream) info.files = {"/dev/stdin"};
    info.kind = kind;
    info.live = opened.live;
    // As far as the container knows; the first frame corrects it.
    const stream_traits traits = traits_of(*opened.video);
    image picture;
    picture.turn = traits.turn.value_or(turn_and_flip{}).turn;
    picture.width = coded.width;
    picture.height = coded.height;
    picture.square_width = square_width_of(coded.width, aspect_of(*opened.video));
    turn_further(picture, options.turn);
    info.width = picture.upright_width();
    info.height = picture.upright_height();
    info.frames_per_second = frame_rate_of(*opened.video);
    if (!opened.live) info.frames = expected_frames(opened, options, info.frames_per_second);
    info.has_audio = opened.has_audio;
    info.codec = avcodec_get_name(coded.codec_id);
    return info;
}

}  // namespace faceflow::internal::media
