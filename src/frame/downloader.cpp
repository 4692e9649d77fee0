// SPDX-License-Identifier: Apache-2.0
#include "frame/downloader.hpp"

#include <utility>

#include "core/try.hpp"
#include "frame/layout.hpp"

namespace faceflow::internal {

result<downloader> downloader::create(device& d) {
    FACEFLOW_ASSIGN(auto work, d.make_stream("download"));
    FACEFLOW_ASSIGN(auto done, d.make_event());
    return downloader(std::move(work), std::move(done));
}

downloader::downloader(std::unique_ptr<stream> work, std::unique_ptr<event> done)
    : work_(std::move(work)),
      done_(std::move(done)) {}

result<void> downloader::reserve(std::size_t bytes) {
    if (memory_.block().bytes >= bytes) return {};
    memory_ = {};
    FACEFLOW_ASSIGN(memory_, host_buffer::allocate(owner(), bytes, true));
    return {};
}

// The caller holds the frame until its bytes have arrived, so its slot need not note the stream.
result<image> downloader::fetch(const frame& from, stage at) {
    const std::size_t bytes = native_bytes(from.picture.format, from.picture.width, from.picture.height);
    FACEFLOW_TRY(reserve(bytes));
    work_->wait(*from.stored->ready);
    const tag t{at, from.id};
    auto moved = transfer(*work_, direction::device_to_host, from.stored->slot.address(), memory_.block(), bytes, t);
    auto there = synchronise(*work_, *done_, t);
    if (!moved) return tl::unexpected(std::move(moved.error()));
    if (!there) return tl::unexpected(std::move(there.error()));
    return packed_at(from.picture, memory_.data());
}

}  // namespace faceflow::internal
