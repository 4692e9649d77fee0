#include "media/reconnect.hpp"

#include <algorithm>

namespace faceflow::media {

using std::chrono::milliseconds;

milliseconds backoff::pause(clock::time_point now) noexcept {
    const milliseconds chosen = std::min(next_, left(now));
    next_ = std::min(next_ * 2, milliseconds(4000));
    return chosen;
}

milliseconds backoff::left(clock::time_point now) const noexcept {
    return std::max(std::chrono::ceil<milliseconds>(end_ - now), milliseconds(0));
}

}  // namespace faceflow::media
