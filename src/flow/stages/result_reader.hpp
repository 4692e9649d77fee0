// SPDX-License-Identifier: Apache-2.0
// Downloads the results of a pass: the only data that returns from a device.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "device/device.hpp"
#include "device/host_buffer.hpp"
#include "faceflow/result.hpp"
#include "flow/stages/face_capacity.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::flow {

// Owns one host block, allocated once. Use it from one thread at a time.
class result_reader {
public:
    [[nodiscard]] static result<result_reader> create(device& d, std::size_t bytes, bool pinned);

    // Adds the download of the headers and the first `faces` records to the stream: one transfer, or none where host
    // memory is device memory. May be captured if the block is pinned.
    [[nodiscard]] result<void> add(stream& s, const vision::pass_results& results, std::int32_t faces, const tag& t);
    // Waits for the download and all earlier work: one host sync. The result is valid until the next add.
    [[nodiscard]] result<vision::pass_results> wait(stream& s, const vision::pass_results& results, const tag& t);
    // add, then wait.
    [[nodiscard]] result<vision::pass_results> read(stream& s, const vision::pass_results& results, std::int32_t faces,
                                                    const tag& t);

private:
    explicit result_reader(device& d) : device_(&d) {}
    device* device_;
    host_buffer host_;
    std::unique_ptr<event> done_;
};

// The number of faces in all frames of a pass, from the downloaded headers.
[[nodiscard]] inline std::int32_t faces_in(const vision::pass_results& read) {
    const vision::result_header& last = read.headers[read.frames - 1];
    return last.first + last.count;
}

// Completes a pass that was enqueued for `enqueued` faces and has been read: if it has more, `mesh(first, end)`
// enqueues the rest and `read(faces)` reads all of them, with one more download and host sync. Reports the number of
// faces to `capacity`.
template <class Mesh, class Read>
[[nodiscard]] result<vision::pass_results> read_the_rest(result<vision::pass_results> results, std::int32_t enqueued,
                                                         face_capacity& capacity, Mesh mesh, Read read) {
    if (!results) return results;
    const std::int32_t count = faces_in(*results);
    const std::int32_t needed = capacity.observe(count, results->frames);
    if (count <= enqueued) return results;
    mesh(enqueued, needed);
    return read(needed);
}

}  // namespace faceflow::internal::flow
