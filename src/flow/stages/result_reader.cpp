// SPDX-License-Identifier: Apache-2.0
#include "flow/stages/result_reader.hpp"

#include "core/try.hpp"

#include <utility>

namespace faceflow::internal::flow {

result<result_reader> result_reader::create(device& d, std::size_t bytes, bool pinned) {
    result_reader r(d);
    FACEFLOW_ASSIGN(r.done_, d.make_event());
    if (d.shares_host_memory()) return r;
    FACEFLOW_ASSIGN(r.host_, host_buffer::allocate(d, bytes, pinned));
    return r;
}

result<void> result_reader::add(stream& s, const vision::pass_results& results, std::int32_t faces, const tag& t) {
    if (device_->shares_host_memory()) return {};
    return transfer(s, direction::device_to_host, reinterpret_cast<std::byte*>(results.headers), host_.block(),
                    vision::pass_results::bytes(results.frames, faces), t);
}

result<vision::pass_results> result_reader::wait(stream& s, const vision::pass_results& results, const tag& t) {
    FACEFLOW_TRY(synchronise(s, *done_, t));
    vision::pass_results readable = results;
    if (!device_->shares_host_memory()) readable.headers = reinterpret_cast<vision::result_header*>(host_.data());
    return readable;
}

result<vision::pass_results> result_reader::read(stream& s, const vision::pass_results& results, std::int32_t faces,
                                                 const tag& t) {
    FACEFLOW_TRY(add(s, results, faces, t));
    return wait(s, results, t);
}

}  // namespace faceflow::internal::flow
