// SPDX-License-Identifier: Apache-2.0
#include "media/reconnector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace faceflow::internal::media {

void reconnector::tell(const std::string& what) const {
    if (input_.options.note) input_.options.note(input_.name() + " " + what);
}

void reconnector::lose(int code, bool playlist) {
    if (!backoff_) backoff_.emplace(clock::now(), input_.options.reconnect_for);
    why_ = code == AVERROR_EXIT ? "no more data came" : libav_message(code);
    playlist_ = playlist;
    if (!playlist && !std::exchange(told_, true)) tell("was lost (" + why_ + "); looking for it");
}

result<void> reconnector::find_again(const taker& take_up) {
    while (!backoff_->exhausted(clock::now())) {
        if (!guard_.sleep(backoff_->pause(clock::now()))) {
            return fail(errc::interrupted, "stopped while reading " + input_.name());
        }
        demuxer_request attempt = input_;
        attempt.options.read_timeout = std::min(input_.options.read_timeout, backoff_->left(clock::now()));
        if (attempt.options.read_timeout.count() == 0) break;
        attempt.missed = std::chrono::ceil<std::chrono::seconds>(silence());
        auto opened = open_demuxer(attempt, guard_);
        // A playlist that has ended by now was not lost.
        if (opened && !playlist_) opened->live = true;
        auto taken = opened ? take_up(std::move(*opened)) : result<void>(tl::unexpected(opened.error()));
        if (taken || guard_.interrupted()) return taken;
        why_ = taken.error().message;
    }
    return fail(errc::io, fmt::format("{} was lost and did not come back within {} s: {}", input_.name(),
                                      std::chrono::duration<double>(input_.options.reconnect_for).count(), why_));
}

reconnector::clock::time_point reconnector::note_frame() {
    last_frame_at_ = clock::now();
    backoff_.reset();
    if (std::exchange(told_, false)) tell("is back");
    return last_frame_at_;
}

}  // namespace faceflow::internal::media
