// SPDX-License-Identifier: Apache-2.0
#include "media/device_frames.hpp"

#include "core/try.hpp"

#include <utility>

namespace faceflow::internal::media {
namespace {

// No uploads, and no cache: the flow's own store caches.
frame_store_options slots_only() {
    frame_store_options o;
    o.cache = false;
    return o;
}

// Owner behind `frame::stored`: releases the slot first, then perhaps the stream on which it was used.
struct kept_frame {
    std::shared_ptr<device_frames> of;
    std::shared_ptr<const stored_frame> stored;
};

}  // namespace

device_frames::device_frames(std::unique_ptr<stream> work, std::shared_ptr<frame_store> store)
    : work_(std::move(work)),
      store_(std::move(store)) {}

std::shared_ptr<frame_store> device_frames::make_store(device& d) {
    return std::make_shared<frame_store>(d, slots_only());
}

result<std::shared_ptr<device_frames>> device_frames::create(device& d, std::shared_ptr<frame_store> store) {
    FACEFLOW_ASSIGN(auto work, d.make_stream("decode"));
    if (store == nullptr) store = make_store(d);
    return std::shared_ptr<device_frames>(new device_frames(std::move(work), std::move(store)));
}

result<std::shared_ptr<const frame>> device_frames::produce(const image& picture, const frame_id& id,
                                                            const frame_store::filler& fill) {
    FACEFLOW_ASSIGN(auto made, store_->produce(*work_, picture, id, fill));
    made.hold = nullptr;
    const auto kept = std::make_shared<const kept_frame>(kept_frame{shared_from_this(), std::move(made.stored)});
    made.stored = std::shared_ptr<const stored_frame>(kept, kept->stored.get());
    made.hold = made.stored;
    return std::make_shared<const frame>(std::move(made));
}

}  // namespace faceflow::internal::media
