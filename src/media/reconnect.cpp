// SPDX-License-Identifier: Apache-2.0
#include "media/reconnect.hpp"

#include <algorithm>

namespace faceflow::internal::media {

using std::chrono::milliseconds;

backoff::backoff(clock::time_point lost_at, milliseconds give_up_after) noexcept
    : end_(std::chrono::floor<milliseconds>(clock::time_point::max() - lost_at) > give_up_after
               ? lost_at + give_up_after
               : clock::time_point::max()) {}

milliseconds backoff::pause(clock::time_point now) noexcept {
    const milliseconds chosen = std::min(next_, left(now));
    next_ = std::min(next_ * 2, milliseconds(4000));
    return chosen;
}

milliseconds backoff::left(clock::time_point now) const noexcept {
    return std::max(std::chrono::ceil<milliseconds>(end_ - now), milliseconds(0));
}

}  // namespace faceflow::internal::media
