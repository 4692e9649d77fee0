// SPDX-License-Identifier: Apache-2.0
#include "flow/stages/result_reader.hpp"

#include <utility>

namespace faceflow::flow {

result<result_reader> result_reader::create(device& d, std::size_t bytes, bool pinned) {
    result_reader r(d);
    auto done = d.make_event();
    if (!done) return tl::unexpected(std::move(done.error()));
    r.done_ = std::move(*done);
    if (d.shares_host_memory()) return r;
    auto host = host_buffer::allocate(d, bytes, pinned);
    if (!host) return tl::unexpected(std::move(host.error()));
    r.host_ = std::move(*host);
    return r;
}

result<void> result_reader::add(stream& s, const vision::pass_results& results, std::int32_t faces, const tag& t) {
    if (device_->shares_host_memory()) return {};
    return transfer(s, direction::device_to_host, reinterpret_cast<std::byte*>(results.headers), host_.block(),
                    vision::pass_results::bytes(results.frames, faces), t);
}

result<vision::pass_results> result_reader::wait(stream& s, const vision::pass_results& results, const tag& t) {
    if (auto r = synchronise(s, *done_, t); !r) return tl::unexpected(std::move(r.error()));
    vision::pass_results readable = results;
    if (!device_->shares_host_memory()) readable.headers = reinterpret_cast<vision::result_header*>(host_.data());
    return readable;
}

result<vision::pass_results> result_reader::read(stream& s, const vision::pass_results& results, std::int32_t faces,
                                                 const tag& t) {
    if (auto added = add(s, results, faces, t); !added) return tl::unexpected(std::move(added.error()));
    return wait(s, results, t);
}

}  // namespace faceflow::flow
