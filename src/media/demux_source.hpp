// SPDX-License-Identifier: Apache-2.0
// Files, cameras, streams and standard input: one container, one decoder, and recovery when either fails.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "media/counts.hpp"
#include "media/demuxer.hpp"
#include "media/frame_keeper.hpp"
#include "media/frame_times.hpp"
#include "media/packet_reader.hpp"
#include "media/reconnector.hpp"
#include "media/seen_frames.hpp"
#include "media/source_decoder.hpp"
#include "media/sources.hpp"
#include "media/start_seeker.hpp"

namespace faceflow::internal::media {

class demux_source final : public source {
public:
    explicit demux_source(demuxer_request input) : input_(std::move(input)) {}

    result<void> open();

    const source_info& info() const noexcept override { return info_; }
    result<std::optional<read_frame>> next() override;
    void interrupt() noexcept override { guard_.interrupt(); }
    std::map<std::string, std::uint64_t> survived() const override { return survived_.get(); }

private:
    result<void> check_start(const demuxer& opened) const;
    result<void> attach(demuxer opened);
    result<void> go_to_start();
    bool seek(double seconds, const std::vector<entry_point>& known);
    result<void> look_ahead();

    result<std::optional<read_frame>> read();
    std::int64_t place(std::optional<std::int64_t> raw_ns);
    result<read_frame> give(frame_ptr decoded, std::int64_t pts_ns);

    result<void> handle_end();
    bool go_to_next_recording();
    result<void> reconnect();
    result<void> take_up_again(demuxer opened);

    const demuxer_request input_;
    io_guard guard_{input_.options.stop};  // declared before the members that hold its callback
    survival_counts survived_;
    packet_reader packets_{input_, guard_, survived_};
    source_decoder decoder_{input_.options};
    frame_times times_{[this](AVPacket& packet) { return packets_.read(packet); }};
    frame_keeper frames_{input_.options, decoder_, guard_, survived_};
    start_seeker start_{input_.options.start_seconds,
                        [this](double seconds, const auto& known) { return seek(seconds, known); }};
    reconnector recovery_{input_, guard_};
    seen_frames seen_;
    source_info info_;

    std::optional<read_frame> ahead_;  // decoded by open()
    std::optional<error> failed_;
    bool opened_ = false;  // opened completely; before that, no frames are released on the device
    bool ended_ = false;
    bool decoded_any_ = false;  // since the last seek
    std::uint64_t sequence_ = 0;
};

}  // namespace faceflow::internal::media
