// SPDX-License-Identifier: Apache-2.0
#include "frame/downloader.hpp"

#include <utility>

#include "frame/layout.hpp"

namespace faceflow {

result<downloader> downloader::create(device& d) {
    auto work = d.make_stream("download");
    if (!work) return tl::unexpected(std::move(work.error()));
    auto done = d.make_event();
    if (!done) return tl::unexpected(std::move(done.error()));
    return downloader(std::move(*work), std::move(*done));
}

downloader::downloader(std::unique_ptr<stream> work, std::unique_ptr<event> done)
    : work_(std::move(work)),
      done_(std::move(done)) {}

result<void> downloader::reserve(std::size_t bytes) {
    if (memory_.block().bytes >= bytes) return {};
    memory_ = {};
    auto made = host_buffer::allocate(owner(), bytes, true);
    if (!made) return tl::unexpected(std::move(made.error()));
    memory_ = std::move(*made);
    return {};
}

// The frame is held until its bytes are here, so its slot need not know of the stream.
result<image> downloader::fetch(const frame& from, stage at) {
    const std::size_t bytes = native_bytes(from.picture.format, from.picture.width, from.picture.height);
    if (auto room = reserve(bytes); !room) return tl::unexpected(std::move(room.error()));
    work_->wait(*from.stored->ready);
    const tag t{at, from.id};
    auto moved = transfer(*work_, direction::device_to_host, from.stored->slot.address(), memory_.block(), bytes, t);
    auto there = synchronise(*work_, *done_, t);
    if (!moved) return tl::unexpected(std::move(moved.error()));
    if (!there) return tl::unexpected(std::move(there.error()));
    return packed_at(from.picture, memory_.data());
}

}  // namespace faceflow
