// SPDX-License-Identifier: Apache-2.0
// Packs large pictures by several threads at once: one core copies a 1080p frame in half a millisecond, in which a GPU could have
// gone through one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/worker_pool.hpp"
#include "faceflow/types.hpp"

namespace faceflow {

// Thread-safe: the threads help all callers.
class packer {
public:
    // Of less a helper would take longer to wake up than to copy.
    static constexpr std::size_t band_bytes = std::size_t{256} << 10;

    // So many threads at most work at once, callers among them; helpers are started as they are needed.
    explicit packer(std::int32_t threads) : workers_(threads) {}

    // pack() of frame/layout.hpp, in bands of rows. The caller copies too, and what no helper has come to: it never waits for one to
    // wake up. Blocks until all is copied.
    void pack(const image& from, std::byte* to);

private:
    worker_pool workers_;
};

}  // namespace faceflow
