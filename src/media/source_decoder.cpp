// SPDX-License-Identifier: Apache-2.0
#include "media/source_decoder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/try.hpp"
#include "media/entry_packet.hpp"

namespace faceflow::internal::media {
namespace {

constexpr double usual_frames_per_second = 25;
constexpr double max_frames_per_second = 240;  // higher rates are not believed: a time base mistaken for a rate
// CPU threads of a live source that shares a device's decoder with many others.
constexpr int threads_beside_device = 2;

std::shared_ptr<const AVCodecParameters> copy_of(const AVCodecParameters& from) {
    AVCodecParameters* const copy = avcodec_parameters_alloc();
    if (copy == nullptr) return nullptr;
    std::shared_ptr<AVCodecParameters> owned(copy, [](AVCodecParameters* p) { avcodec_parameters_free(&p); });
    if (avcodec_parameters_copy(copy, &from) < 0) return nullptr;
    return owned;
}

file_bytes extradata_of(const AVCodecParameters& p) {
    return {p.extradata, static_cast<std::size_t>(std::max(p.extradata_size, 0))};
}

bool is_entry(const AVCodecParameters& p, const AVPacket& packet) {
    return is_entry_packet(p.codec_id, extradata_of(p),
                           {packet.data, static_cast<std::size_t>(std::max(packet.size, 0))});
}

bool has_entry_packets(AVCodecID codec) {
    return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC;
}

}  // namespace

// Only once: the decoder of a reconnected source reuses it.
result<void> source_decoder::open_device() {
    if (options_.decode_on == nullptr || hardware_ != nullptr) return {};
    FACEFLOW_ASSIGN(auto frames, device_frames::create(*options_.decode_on, options_.device_slots));
    auto opened = options_.open_hardware(frames->work());
    if (!opened) return options_.only_on_device ? tl::unexpected(std::move(opened.error())) : result<void>{};
    frames_ = std::move(frames);
    hardware_ = std::move(*opened);
    return {};
}

result<void> source_decoder::open(const demuxer& from) {
    FACEFLOW_TRY(open_device());
    member_.reset();   // what it prepared belongs to the previous stream
    decoder_.reset();  // destroyed before another one uses the same hardware
    if (hardware_ != nullptr) hardware_->forget();
    going_to_device_.reset();
    ++streams_;
    stream_.parameters = copy_of(*from.video->codecpar);
    if (stream_.parameters == nullptr) return fail(errc::out_of_memory, "no memory for a decoder");
    stream_.time_base = from.video->time_base;
    stream_.live = from.live;
    const AVRational rate = from.video->avg_frame_rate;
    const double stated = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    const double a_second = stated >= 1 && stated <= max_frames_per_second ? stated : usual_frames_per_second;
    stream_.between_frames = std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(1 / a_second));
    const bool shares = hardware_ != nullptr && options_.share != nullptr && (from.live || options_.realtime) &&
                        has_entry_packets(stream_.parameters->codec_id);
    if (shares) member_ = options_.share->join();
    const bool there = hardware_ != nullptr && (member_ == nullptr || member_->on_device());
    FACEFLOW_ASSIGN(auto made, make(there ? hardware_.get() : nullptr));
    decoder_.emplace(std::move(made));
    return {};
}

result<decoder> source_decoder::make(const hardware* hw) const {
    const int threads =
        member_ != nullptr && options_.decode_threads == 0 ? threads_beside_device : options_.decode_threads;
    const bool ahead = hw == nullptr && !stream_.live && !options_.realtime;
    return decoder::open(*stream_.parameters, stream_.time_base,
                         {.threads = threads, .low_delay = stream_.live, .gives_way = ahead}, hw);
}

result<frame_ptr> source_decoder::next(const packet_source& packets) {
    const auto begun = clock::now();
    clock::duration reading{0};
    auto frame = decoder_->next([&](AVPacket& packet) {
        const auto asked = clock::now();
        const int code = packets(packet);
        reading += clock::now() - asked;
        if (code == 0 && member_ != nullptr) see(packet);
        return code;
    });
    took_ = clock::now() - begun - reading;
    const bool there = frame && *frame && member_ != nullptr && decoder_->on() != nullptr;
    if (there && layout_on_device(**frame) == AV_PIX_FMT_NONE)  // FFmpeg decodes it on the CPU instead of the device
        member_->refuse(avcodec_get_name(stream_.parameters->codec_id));
    return frame;
}

// Called for each packet before it is decoded.
void source_decoder::see(const AVPacket& packet) {
    const bool there = decoder_->on() != nullptr;
    if (going_to_device_ == there) {
        member_->moved(there);
        going_to_device_.reset();
        if (!there) hardware_->forget();
    }
    note_parameters(packet);
    if (going_to_device_ || member_->wants_device() == there) return;
    if (!is_entry(*stream_.parameters, packet)) return;
    if (there)
        go_to_cpu();
    else
        go_to_device(packet);
}

void source_decoder::go_to_device(const AVPacket& entry) {
    if (auto prepared = member_->take_prepared()) {
        if (prepared_for_ != streams_) return;
        if (!*prepared && prepared->error().code == errc::unsupported)
            return member_->refuse(prepared->error().message);
        if (!*prepared) return member_->give_up_place();
        decoder_->hand_over(std::move(**prepared));
        going_to_device_ = true;
        return;
    }
    const std::shared_ptr<AVPacket> first(av_packet_clone(&entry), libav_deleter{});
    if (first == nullptr) return;  // try again with the next
    const bool asked = member_->prepare([first, on = hardware_.get(), of = stream_]() -> result<decoder> {
        auto made = decoder::open(*of.parameters, of.time_base, {.threads = 1, .low_delay = of.live}, on);
        if (!made) return made;
        FACEFLOW_TRY(made->warm_up(*first));
        return made;
    });
    if (asked) prepared_for_ = streams_;
}

// The active decoder gets changed parameter sets with the packet; a decoder that takes over is created with them.
void source_decoder::note_parameters(const AVPacket& packet) {
    std::size_t bytes = 0;
    const std::uint8_t* const changed = av_packet_get_side_data(&packet, AV_PKT_DATA_NEW_EXTRADATA, &bytes);
    constexpr std::size_t max_bytes = std::size_t{1} << 20;
    if (changed == nullptr || bytes == 0 || bytes > max_bytes) return;
    AVCodecParameters* const copy = avcodec_parameters_alloc();
    if (copy == nullptr) return;
    const std::shared_ptr<AVCodecParameters> owned(copy, [](AVCodecParameters* p) { avcodec_parameters_free(&p); });
    if (avcodec_parameters_copy(copy, stream_.parameters.get()) < 0) return;
    auto* const extradata = static_cast<std::uint8_t*>(av_mallocz(bytes + AV_INPUT_BUFFER_PADDING_SIZE));
    if (extradata == nullptr) return;
    std::memcpy(extradata, changed, bytes);
    av_freep(static_cast<void*>(&copy->extradata));
    copy->extradata = extradata;
    copy->extradata_size = static_cast<int>(bytes);
    stream_.parameters = owned;
    ++streams_;
}

void source_decoder::go_to_cpu() {
    auto made = make(nullptr);
    if (!made) return;  // then it stays on the device
    decoder_->hand_over(std::move(*made));
    going_to_device_ = false;
}

AVPixelFormat source_decoder::layout_on_device(const AVFrame& decoded) const noexcept {
    return decoder_->on() == nullptr ? AV_PIX_FMT_NONE : decoder_->on()->layout_on_device(decoded);
}

result<std::shared_ptr<const frame>> source_decoder::keep(frame_ptr& decoded, const image& facts, const frame_id& id) {
    auto kept =
        frames_->produce(facts, id, [&](std::byte* slot) { return hardware_->copy(std::move(decoded), facts, slot); });
    if (!kept || !(stream_.live || options_.realtime)) return kept;
    const auto begun = clock::now();
    const stored_frame& there = *(*kept)->stored;
    FACEFLOW_TRY(wait_until_done(frames_->work().owner(), *there.ready, {stage::capture, id}));
    if (member_ != nullptr) member_->took(took_ + (clock::now() - begun), stream_.between_frames);
    return kept;
}

}  // namespace faceflow::internal::media
