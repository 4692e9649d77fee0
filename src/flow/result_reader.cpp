// SPDX-License-Identifier: Apache-2.0
#include "flow/result_reader.hpp"

#include <utility>

namespace faceflow::flow {

result<result_reader> result_reader::create(device& on, std::size_t bytes, bool pinned) {
    result_reader r(on);
    auto done = on.make_event();
    if (!done) return tl::unexpected(std::move(done.error()));
    r.done_ = std::move(*done);
    if (on.shares_host_memory()) return r;
    auto host = on.allocate_host(bytes, pinned);
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

result<void> result_reader::add(stream& on, const vision::pass_results& results, std::int32_t faces, const tag& t) {
    if (device_->shares_host_memory()) return {};
    return transfer(on, direction::device_to_host, reinterpret_cast<std::byte*>(results.headers), host_,
                    vision::pass_results::bytes(results.frames, faces), t);
}

result<vision::pass_results> result_reader::wait(stream& on, const vision::pass_results& results, const tag& t) {
    if (auto r = synchronise(on, *done_, t); !r) return tl::unexpected(std::move(r.error()));
    vision::pass_results readable = results;
    if (!device_->shares_host_memory()) readable.headers = reinterpret_cast<vision::result_header*>(host_.data);
    return readable;
}

result<vision::pass_results> result_reader::read(stream& on, const vision::pass_results& results, std::int32_t faces,
                                                 const tag& t) {
    if (auto added = add(on, results, faces, t); !added) return tl::unexpected(std::move(added.error()));
    return wait(on, results, t);
}

}  // namespace faceflow::flow
