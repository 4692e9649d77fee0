// SPDX-License-Identifier: Apache-2.0
#include "media/demuxer.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

#include "core/try.hpp"
#include "media/address.hpp"

namespace faceflow::internal::media {

namespace {

bool starts_with_scheme(std::string_view input, std::string_view scheme) {
    return input.starts_with(scheme) && input.substr(scheme.size()).starts_with("://");
}

std::string microseconds(std::chrono::milliseconds time) {
    return std::to_string(time.count() * 1000);
}

// The name for probing: it keeps the extension but no character that libav treats as a pattern.
std::string harmless_name(std::string name) {
    std::ranges::replace_if(
        name, [](char c) { return std::string_view("%*?[]{}").find(c) != std::string_view::npos; }, '_');
    return name;
}

std::string advice(const std::string& input, source_kind kind, int code, bool by_pipe) {
    if (code == AVERROR_HTTP_NOT_FOUND) return "the server has no such page (404): check the address";
    if (code == AVERROR_HTTP_UNAUTHORIZED || code == AVERROR_HTTP_FORBIDDEN) {
        return "the server refuses access: give user and password as scheme://user:password@host/…";
    }
    if (code == AVERROR_PROTOCOL_NOT_FOUND) {
        return "this FFmpeg knows no such protocol: use a path, rtsp:// or http(s)://";
    }
    if (code == AVERROR(ECONNREFUSED)) return "connection refused: is the server running, and the port right?";
    if (code == AVERROR(EIO) && kind == source_kind::stream) {
        return "the host is unknown or broke off the connection: check its name and the network";
    }
    if (code == AVERROR(EBUSY)) return "another program is using it: close that and try again";
    if (code == AVERROR(EACCES) && kind == source_kind::camera) {
        return "permission denied: add your user to the group `video`";
    }
    if (code == AVERROR_INVALIDDATA && by_pipe) return index_advice;
    if (code == AVERROR_INVALIDDATA) {
        return "it is not a video or picture that FFmpeg can read, or its start is damaged: try `ffprobe " +
               without_secrets(input) + "`";
    }
    return libav_message(code);
}

tl::unexpected<error> open_failure(const demuxer_request& request, int code, const io_guard& guard,
                                   const demuxer& opened) {
    const std::string name = request.name();
    if (guard.interrupted()) return fail(errc::interrupted, "stopped while opening " + name);
    if (guard.expired())
        return fail(errc::timeout, name + " did not answer in time: check that it is reachable and sending");
    errc kind_of_error = libav_errc(code);
    if (request.kind == source_kind::stream && code == AVERROR(EIO)) kind_of_error = errc::not_found;
    const bool by_pipe = opened.io != nullptr && !opened.io->seekable();
    return fail(kind_of_error, "cannot open " + name + ": " + advice(request.input, request.kind, code, by_pipe));
}

void set_transport_options(const std::string& input, const source_options& options, dictionary& settings) {
    if (starts_with_scheme(input, "rtsp") || starts_with_scheme(input, "rtsps")) {
        settings.set("rtsp_flags", "prefer_tcp");  // lossless; UDP if the camera refuses TCP
        settings.set("allowed_media_types", "video");
        settings.set("timeout", microseconds(options.read_timeout));
        settings.set("analyzeduration", "2000000");
    } else if (starts_with_scheme(input, "http") || starts_with_scheme(input, "https")) {
        // With byte ranges, a broken download of known length continues where it stopped.
        settings.set("reconnect", "1");
        settings.set("reconnect_delay_max", "2");
    }
}

// The protocols that an input may open, directly or through names in it (playlists): a file may open files, a web
// address the web, a stream whatever carries such streams. A file from elsewhere must not make this program fetch from
// the local network.
std::string allowed_protocols(const std::string& input, source_kind kind) {
    if (kind == source_kind::camera) return "file";
    if (kind == source_kind::stdin_stream) return "data,crypto";
    if (kind == source_kind::file || kind == source_kind::images) return local_protocols;
    const std::string scheme = input.substr(0, input.find("://"));
    if (scheme == "http" || scheme == "https") return "http,https,tls,tcp,httpproxy,crypto,data";
    if (scheme == "rtsp" || scheme == "rtsps") return "rtsp,rtsps,rtp,srtp,rtcp,udp,tcp,tls,http,https,httpproxy";
    // Other schemes vary: some use the web, some wrap another (cache:http://…). Allow everything but files.
    std::string named = scheme;
    std::ranges::replace(named, ':', ',');
    return named + ",rtp,srtp,rtcp,udp,tcp,tls,http,https,httpproxy,ffrtmphttp,ffrtmpcrypt,crypto,data";
}

bool is_playlist(const AVFormatContext& format) {
    const std::string_view container = format.iformat->name;
    return container == "hls" || container == "dash";
}

// A playlist is live until it states its end. HTTP delivers recordings of any length, except for a series of pictures
// that replace one another.
bool is_live(const AVFormatContext& format, source_kind kind, const std::string& input, bool has_length) {
    if (kind == source_kind::camera) return true;
    if (is_playlist(format)) return !has_length;
    if (kind != source_kind::stream) return false;
    const std::string_view container = format.iformat->name;
    if (container == "mpjpeg") return true;
    if (container.ends_with("_pipe")) return false;  // a single picture
    if (starts_with_scheme(input, "rtsp") || starts_with_scheme(input, "rtsps")) return true;
    if (starts_with_scheme(input, "http") || starts_with_scheme(input, "https")) return false;
    return format.duration == AV_NOPTS_VALUE && (!format.pb || avio_size(format.pb) <= 0);
}

result<void> find_video(demuxer& opened, const std::string& name) {
    AVFormatContext& format = *opened.format;
    const std::string_view container = format.iformat->name;
    if (container == "tty") return fail(errc::unsupported, name + " is text, not video");
    const int best = av_find_best_stream(&format, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    for (unsigned i = 0; i < format.nb_streams; ++i) {
        opened.has_audio |= format.streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        format.streams[i]->discard = static_cast<int>(i) == best ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    // A cover picture does not make a song a video.
    if (best < 0 || (format.streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
        return fail(errc::unsupported, name + " has no video stream" + (opened.has_audio ? " (only sound)" : "") +
                                           ": give a video or pictures");
    }
    opened.video = format.streams[best];
    return {};
}

result<const AVInputFormat*> prepare_io(const demuxer_request& request, const io_guard& guard, demuxer& opened) {
    if (request.kind == source_kind::camera) return av_find_input_format("v4l2");
    if (request.kind == source_kind::stream) return nullptr;
    FACEFLOW_ASSIGN(opened.io, fd_io::open(request.input, guard, request.from_byte));
    opened.format->pb = opened.io->context();
    opened.format->flags |= AVFMT_FLAG_CUSTOM_IO;  // or libav closes our I/O when probing fails
    const AVInputFormat* found = nullptr;
    const int code =
        av_probe_input_buffer2(opened.format->pb, &found, harmless_name(request.input).c_str(), nullptr, 0, 0);
    if (code < 0) return open_failure(request, code, guard, opened);
    // Chosen only by name: the content is no picture.
    if (std::string_view(found->name) == "image2") return open_failure(request, AVERROR_INVALIDDATA, guard, opened);
    return found;
}

// Where libav ignores display times (see composition), it misreads an edit list: it drops pictures instead of the delay
// before the first picture.
bool edits_are_misread(const demuxer& opened) {
    const AVStream& video = *opened.video;
    const int delay = video.codecpar->video_delay;
    if (delay <= 0 || std::string_view(opened.format->iformat->name).find("mp4") == std::string_view::npos)
        return false;
    const auto entry = [&](int i) { return avformat_index_get_entry(opened.video, i); };
    const int frames = avformat_index_get_entries_count(opened.video);
    if (frames == 0 || (entry(0)->flags & AVINDEX_DISCARD_FRAME) == 0) return false;
    constexpr std::int64_t longest_offset = 1 << 28;
    for (int i = 1; i < frames; ++i) {
        if (av_sat_sub64(entry(i)->timestamp, entry(i - 1)->timestamp) > longest_offset / delay) return true;
    }
    return false;
}

void read_when_shown(demuxer& opened) {
    opened.shown = composition::read(*opened.io->context(), opened.video->id);
    if (!opened.shown) return;
    constexpr int longest_reordering = 64;
    const int frames = std::min(avformat_index_get_entries_count(opened.video), longest_reordering);
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i < frames; ++i) {
        const std::int64_t decoded = avformat_index_get_entry(opened.video, i)->timestamp;
        first = std::min(first, av_sat_add64(decoded, opened.shown->offset_of(static_cast<std::size_t>(i))));
    }
    opened.video->start_time = first;
}

void set_options(const demuxer_request& request, bool ignore_edits, dictionary& settings) {
    settings.set("protocol_whitelist", allowed_protocols(request.input, request.kind));
    if (ignore_edits) settings.set("ignore_editlist", "1");
    if (request.kind == source_kind::stream) set_transport_options(request.input, request.options, settings);
    // Only hls uses this. Segments last half a second or more.
    const std::int64_t missed = std::min<std::int64_t>(request.missed.count(), 1'000'000);
    if (missed > 0) settings.set("live_start_index", std::to_string(-3 - 2 * missed));
}

// What the header leaves open. A camera's states everything; probing its frames would only lose some.
result<void> probe_streams(const demuxer_request& request, io_guard& guard, const demuxer& opened) {
    if (request.kind == source_kind::camera) return {};
    const int found = avformat_find_stream_info(opened.format.get(), nullptr);
    if (guard.give_up()) return open_failure(request, AVERROR_EXIT, guard, opened);
    if (found < 0) return open_failure(request, found, guard, opened);
    return {};
}

result<demuxer> open_once(const demuxer_request& request, io_guard& guard, bool ignore_edits) {
    prepare_libav();
    const source_kind kind = request.kind;
    demuxer opened;
    opened.from_byte = request.from_byte;
    opened.format.reset(avformat_alloc_context());
    if (!opened.format) return fail(errc::out_of_memory, "no memory to open " + request.name());
    opened.format->interrupt_callback = {&io_guard::callback, &guard};
    // A camera is read non-blocking: an interrupt would not reach a read that blocks in the driver.
    if (kind == source_kind::camera) opened.format->flags |= AVFMT_FLAG_NONBLOCK;
    if (kind == source_kind::camera || kind == source_kind::stream) guard.arm(request.options.read_timeout);

    FACEFLOW_ASSIGN(auto container, prepare_io(request, guard, opened));
    dictionary settings;
    set_options(request, ignore_edits, settings);
    AVFormatContext* raw = opened.format.release();  // libav frees it if opening fails
    const int code = avformat_open_input(&raw, request.input.c_str(), container, settings.out());
    opened.format.reset(raw);
    if (code < 0) return open_failure(request, code, guard, opened);
    // Before libav estimates anything.
    const bool has_length = opened.format->duration != AV_NOPTS_VALUE;
    // Reconnecting with unknown length would restart from the beginning, endlessly.
    if (AVIOContext* io = opened.format->pb; io && kind == source_kind::stream && avio_size(io) <= 0) {
        av_opt_set_int(io, "reconnect", 0, AV_OPT_SEARCH_CHILDREN);
    }
    FACEFLOW_TRY(probe_streams(request, guard, opened));
    guard.disarm();
    FACEFLOW_TRY(find_video(opened, request.name()));
    opened.playlist = is_playlist(*opened.format);
    opened.live = request.options.live || is_live(*opened.format, kind, request.input, has_length);
    return opened;
}

}  // namespace

void state_when_shown(const demuxer& opened, AVPacket& packet) noexcept {
    if (!opened.shown || packet.dts == AV_NOPTS_VALUE) return;
    const int sample = av_index_search_timestamp(opened.video, packet.dts, AVSEEK_FLAG_ANY);
    if (sample >= 0) packet.pts = av_sat_add64(packet.dts, opened.shown->offset_of(static_cast<std::size_t>(sample)));
}

bool is_dash(const demuxer& opened) noexcept {
    return std::string_view(opened.format->iformat->name) == "dash";
}

bool index_was_missed(const demuxer& opened) noexcept {
    const std::string_view container = opened.format->iformat->name;
    return opened.io != nullptr && !opened.io->seekable() && container.find("mp4") != std::string_view::npos;
}

std::string demuxer_request::name() const {
    return kind == source_kind::stdin_stream ? "standard input" : without_secrets(input);
}

result<demuxer> open_demuxer(const demuxer_request& request, io_guard& guard) {
    auto opened = open_once(request, guard, false);
    const bool again = opened && opened->io && opened->io->seekable() && edits_are_misread(*opened);
    if (!again) return opened;
    opened = open_once(request, guard, true);
    if (opened) read_when_shown(*opened);
    return opened;
}

}  // namespace faceflow::internal::media
