#include "frame/packer.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "frame/layout.hpp"

namespace faceflow {

// The bands of one picture: whoever is free takes the next.
class packer::job {
public:
    explicit job(std::vector<plane_rows> bands) : bands_(std::move(bands)), left_(bands_.size()) {}

    void work() {
        for (auto i = next_.fetch_add(1); i < bands_.size(); i = next_.fetch_add(1)) {
            copy(bands_[i]);
            if (left_.fetch_sub(1) == 1) left_.notify_all();
        }
    }
    void wait() const {
        for (auto left = left_.load(); left > 0; left = left_.load())
            left_.wait(left);
    }
    [[nodiscard]] std::size_t bands() const noexcept { return bands_.size(); }

private:
    const std::vector<plane_rows> bands_;
    std::atomic<std::size_t> next_{0}, left_;
};

// More than wait are not needed: a job that finds no helper is its caller's.
packer::packer(std::size_t helpers) : waiting_(4 * helpers, queue_policy::fifo) {
    for (std::size_t i = 0; i < helpers; ++i) {
        helpers_.emplace_back([this] {
            while (auto next = waiting_.pop())
                (*next)->work();
        });
    }
}

packer::~packer() {
    waiting_.close();
    for (auto& t : helpers_)
        t.join();
}

void packer::pack(const image& from, std::byte* to) {
    if (helpers_.empty()) return faceflow::pack(from, to);
    const auto all = std::make_shared<job>(rows_to_pack(from, to, band_bytes));
    for (std::size_t i = 0; i < std::min(helpers_.size(), all->bands() - 1); ++i)
        waiting_.push(all);
    all->work();
    all->wait();
}

}  // namespace faceflow
