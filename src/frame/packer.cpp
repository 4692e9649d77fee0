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
packer::packer(std::size_t most_helpers) : waiting_(4 * most_helpers, queue_policy::fifo), most_(most_helpers) {}

void packer::help() {
    for (;;) {
        ++idle_;
        auto next = waiting_.pop();
        --idle_;
        if (!next) return;
        (*next)->work();
    }
}

// Where no thread can be had, those that there are do it, or the caller alone.
void packer::add_helper() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || helpers_.size() >= most_) return;
    const auto started = caught_result("packing frames", [&]() -> result<void> {
        helpers_.reserve(most_);
        auto helper = start_thread(
            "packing frames", [this] { help(); }, [](const error&) {});
        if (!helper) return tl::unexpected(std::move(helper.error()));
        helpers_.push_back(std::move(*helper));
        return {};
    });
    if (!started) most_ = helpers_.size();
}

packer::~packer() {
    waiting_.close();
    for (auto& t : helpers_)
        t.join();
}

void packer::pack(const image& from, std::byte* to) {
    const std::size_t bands = native_bytes(from.format, from.width, from.height) / band_bytes;
    if (most_ == 0 || bands <= 1) return faceflow::pack(from, to);
    const std::size_t idle = idle_;
    if (idle == 0) add_helper();
    const std::size_t helpers = std::min(std::max<std::size_t>(idle, 1), bands - 1);
    const auto all = std::make_shared<job>(from, to, static_cast<std::int32_t>(bands));
    // What a helper has begun with it must end before the pictures may go.
    [[maybe_unused]] const auto given = caught("packing frames", [&] {
        for (std::size_t i = 0; i < helpers; ++i)
            waiting_.push(all);
    });
    all->work();
    all->wait();
}

}  // namespace faceflow
