// SPDX-License-Identifier: Apache-2.0
// Packs large pictures on several threads: one core copies a 1080p frame in half a millisecond, in which a GPU could
// have processed one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/worker_pool.hpp"
#include "faceflow/types.hpp"

namespace faceflow::internal {

// Thread-safe: all callers share the threads.
class packer {
public:
    // For fewer bytes, waking a helper takes longer than the copy.
    static constexpr std::size_t band_bytes = std::size_t{256} << 10;

    // At most `threads` work at once, including callers; helpers are started on demand.
    explicit packer(std::int32_t threads) : workers_(threads) {}

    // pack() of frame/layout.hpp, in bands of rows. The caller copies too, including every band that no helper has
    // begun, so it never waits for a helper to wake up. Blocks until all is copied.
    void pack(const image& from, std::byte* to);

private:
    worker_pool workers_;
};

}  // namespace faceflow::internal
