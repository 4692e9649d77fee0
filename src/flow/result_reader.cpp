#include "flow/result_reader.hpp"

#include <utility>

namespace faceflow::flow {

result<result_reader> result_reader::create(device& on, std::int32_t max_faces, bool pinned) {
    result_reader r(on);
    auto done = on.make_event();
    if (!done) return tl::unexpected(std::move(done.error()));
    r.done_ = std::move(*done);
    if (on.shares_host_memory()) return r;
    auto host = on.allocate_host(vision::result_block::bytes(static_cast<std::size_t>(max_faces)), pinned);
    if (!host) return tl::unexpected(std::move(host.error()));
    r.host_ = *host;
    return r;
}

result_reader::result_reader(result_reader&& o) noexcept
    : device_(o.device_),
      host_(std::exchange(o.host_, {})),
      done_(std::move(o.done_)) {}

result_reader& result_reader::operator=(result_reader&& o) noexcept {
    std::swap(device_, o.device_);
    std::swap(host_, o.host_);
    std::swap(done_, o.done_);
    return *this;
}

result_reader::~result_reader() {
    if (host_.data != nullptr) device_->release_host(host_);
}

result<const vision::result_block*> result_reader::read(stream& on, vision::result_block* results, std::int32_t faces,
                                                        const tag& t) {
    const vision::result_block* readable = results;
    if (!device_->shares_host_memory()) {
        const std::size_t bytes = vision::result_block::bytes(static_cast<std::size_t>(faces));
        auto moved = transfer(on, direction::device_to_host, reinterpret_cast<std::byte*>(results), host_, bytes, t);
        if (!moved) return tl::unexpected(std::move(moved.error()));
        readable = reinterpret_cast<const vision::result_block*>(host_.data);
    }
    if (auto r = synchronise(on, *done_, t); !r) return tl::unexpected(std::move(r.error()));
    return readable;
}

}  // namespace faceflow::flow
