// SPDX-License-Identifier: Apache-2.0
// Keeps decoded frames for the pipeline: in host memory, or on the device that decoded them.
#pragma once

#include <optional>

#include "media/counts.hpp"
#include "media/io_guard.hpp"
#include "media/pixel_format.hpp"
#include "media/source.hpp"
#include "media/source_decoder.hpp"

namespace faceflow::internal::media {

// Use it from one thread. What it is made with outlives it.
class frame_keeper {
public:
    frame_keeper(const source_options& options, source_decoder& decoder, const io_guard& guard,
                 survival_counts& survived)
        : options_(options),
          decoder_(decoder),
          guard_(guard),
          survived_(survived) {}

    // The frames to come are of this stream.
    void attach(const AVStream& video);

    // The decoder's last frame, without its times. `may_wait`: until earlier frames leave the device, which then are a
    // recording's in work. errc::out_of_memory: there is no room on the device, for this frame. errc::unsupported: it
    // is not on the device, as source_options::only_on_device asks.
    [[nodiscard]] result<read_frame> keep(frame_ptr decoded, const frame_id& id, bool may_wait);

private:
    [[nodiscard]] result<read_frame> keep_in_host_memory(frame_ptr decoded);
    [[nodiscard]] result<std::shared_ptr<const frame>> keep_on_device(frame_ptr decoded, const image& facts,
                                                                      const frame_id& id, bool may_wait);

    const source_options& options_;
    source_decoder& decoder_;
    const io_guard& guard_;
    survival_counts& survived_;
    AVCodecID codec_ = AV_CODEC_ID_NONE;
    std::optional<frame_mapper> mapper_;
};

}  // namespace faceflow::internal::media
