#include "frame/packer.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/thread.hpp"
#include "frame/layout.hpp"

namespace faceflow {

// One picture: whoever is free takes the next of its bands.
class packer::job {
public:
    job(const image& from, std::byte* to, std::int32_t bands) : from_(from), to_(to), bands_(bands), left_(bands) {}

    void work() {
        for (auto i = next_.fetch_add(1); i < bands_; i = next_.fetch_add(1)) {
            faceflow::pack(from_, to_, i, bands_);
            if (left_.fetch_sub(1) == 1) left_.notify_all();
        }
    }
    void wait() const {
        for (auto left = left_.load(); left > 0; left = left_.load())
            left_.wait(left);
    }

private:
    const image from_;
    std::byte* const to_;
    const std::int32_t bands_;
    std::atomic<std::int32_t> next_{0}, left_;
};

// More than wait are not needed: a job that finds no helper is its caller's.
packer::packer(std::size_t helpers) : waiting_(4 * helpers, queue_policy::fifo) {
    // Those that can be had do it, or the caller alone.
    [[maybe_unused]] const auto started = caught_result("packing frames", [&]() -> result<void> {
        helpers_.reserve(helpers);
        for (std::size_t i = 0; i < helpers; ++i) {
            auto helper = start_thread(
                "packing frames",
                [this] {
                    while (auto next = waiting_.pop())
                        (*next)->work();
                },
                [](const error&) {});
            if (!helper) return tl::unexpected(std::move(helper.error()));
            helpers_.push_back(std::move(*helper));
        }
        return {};
    });
}

packer::~packer() {
    waiting_.close();
    for (auto& t : helpers_)
        t.join();
}

void packer::pack(const image& from, std::byte* to) {
    const std::size_t bands = native_bytes(from.format, from.width, from.height) / band_bytes;
    const std::size_t helpers = std::min(helpers_.size(), bands > 1 ? bands - 1 : 0);
    if (helpers == 0) return faceflow::pack(from, to);
    const auto all = std::make_shared<job>(from, to, static_cast<std::int32_t>(bands));
    for (std::size_t i = 0; i < helpers; ++i)
        waiting_.push(all);
    all->work();
    all->wait();
}

}  // namespace faceflow
