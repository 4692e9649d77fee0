// Packs large pictures by several threads at once: one core copies a 1080p frame in half a millisecond, in which a GPU could have
// gone through one.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/queue.hpp"
#include "faceflow/types.hpp"

namespace faceflow {

// Thread-safe: the threads help all callers.
class packer {
public:
    // Of less a helper would take longer to wake up than to copy.
    static constexpr std::size_t band_bytes = std::size_t{256} << 10;

    // At most so many threads beside the callers'; 0: pack() as it is. Each is started when all those that there are have work.
    explicit packer(std::size_t most_helpers);
    ~packer();
    packer(const packer&) = delete;

    // pack() of frame/layout.hpp, in bands of rows. The caller copies too, and what no helper has come to: it never waits for one to
    // wake up. Blocks until all is copied.
    void pack(const image& from, std::byte* to);

private:
    class job;
    void add_helper();
    void help();

    bounded_queue<std::shared_ptr<job>> waiting_;
    std::atomic<std::size_t> idle_{0};
    std::mutex mutex_;
    std::atomic<std::size_t> most_;     // under the mutex to be changed
    std::vector<std::thread> helpers_;  // under the mutex
};

}  // namespace faceflow
