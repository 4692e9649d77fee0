// SPDX-License-Identifier: Apache-2.0
#include "media/frame_keeper.hpp"

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "core/try.hpp"
#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {
constexpr auto longest_wait_for_room = std::chrono::seconds(10);
}  // namespace

void frame_keeper::attach(const AVStream& video) {
    codec_ = video.codecpar->codec_id;
    mapper_.emplace(traits_of(video));
}

result<read_frame> frame_keeper::keep(frame_ptr decoded, const frame_id& id, bool may_wait) {
    const AVPixelFormat layout = decoder_.layout_on_device(*decoded);
    if (to_pixel_format(layout) == pixel_format::none) return keep_in_host_memory(std::move(decoded));
    FACEFLOW_ASSIGN(auto described, mapper_->describe(*decoded, layout));
    turn_further(described.picture, options_.turn);
    read_frame given;
    given.frame.picture = described.picture;
    FACEFLOW_ASSIGN(given.frame.on_device, keep_on_device(std::move(decoded), described.picture, id, may_wait));
    return given;
}

result<read_frame> frame_keeper::keep_in_host_memory(frame_ptr decoded) {
    if (options_.only_on_device) {
        return fail(errc::unsupported, "the device does not decode its " + std::string(avcodec_get_name(codec_)) +
                                           " (this profile or pixel format); use --decode auto or cpu");
    }
    survived_.add("decoded_on_cpu", decoder_.has_device() ? 1 : 0);
    FACEFLOW_ASSIGN(auto mapped, mapper_->map(std::move(decoded)));
    survived_.add("converted_pixel_format", mapped.converted ? 1 : 0);
    turn_further(mapped.picture, options_.turn);
    read_frame given;
    given.frame.picture = mapped.picture;
    given.frame.owner = std::move(mapped.owner);
    return given;
}

result<std::shared_ptr<const frame>> frame_keeper::keep_on_device(frame_ptr decoded, const image& facts,
                                                                  const frame_id& id, bool may_wait) {
    using clock = std::chrono::steady_clock;
    auto kept = decoder_.keep(decoded, facts, id);
    const auto until = clock::now() + longest_wait_for_room;
    while (may_wait && !kept && kept.error().code == errc::out_of_memory && decoded != nullptr &&
           !guard_.interrupted() && clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        kept = decoder_.keep(decoded, facts, id);
    }
    return kept;
}

}  // namespace faceflow::internal::media
