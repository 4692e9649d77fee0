// SPDX-License-Identifier: Apache-2.0
#include "engine/row_formatter.hpp"

#include <utility>

#include "core/thread.hpp"

namespace faceflow::internal {
namespace {
constexpr std::size_t waiting_for_each_helper = 4;
}

row_formatter::row_formatter(std::size_t max_helpers, make_rows make, take_rows take)
    : max_helpers_(max_helpers),
      make_(std::move(make)),
      take_(std::move(take)),
      made_((waiting_for_each_helper + 1) * max_helpers + 1),
      waiting_(waiting_for_each_helper * max_helpers, queue_policy::fifo) {}

row_formatter::~row_formatter() {
    waiting_.close();
    for (auto& h : helpers_)
        h.join();
}

// The caller is behind if formatting takes half of its time.
bool row_formatter::is_behind(clock::time_point now) {
    constexpr int frames_of_mean = 16;
    const auto last = std::exchange(last_put_, now);
    if (last == clock::time_point()) return false;
    between_puts_ += (now - last - between_puts_) / frames_of_mean;
    return max_helpers_ > 0 && between_puts_ < 2 * cost_;
}

// If no thread can be started, the existing helpers do the work, or the caller.
void row_formatter::add_helper() {
    auto helper = caught_result("writing rows", [&]() -> result<std::thread> {
        helpers_.reserve(max_helpers_);
        return start_thread(
            "writing rows", [this] { help(); }, [](const error&) {});
    });
    if (helper) helpers_.push_back(std::move(*helper));
}

void row_formatter::help() {
    while (auto next = waiting_.pop())
        finish(next->index, format(next->of.faces, *next->of.input));
}

// False when all helpers are busy.
bool row_formatter::give_to_helper(std::uint64_t index, const frame_faces& faces,
                                   const std::shared_ptr<const std::string>& input) {
    if (helpers_.size() < max_helpers_ && waiting_.size() >= helpers_.size()) add_helper();
    if (helpers_.empty()) return false;
    bool given = false;
    const auto tried = caught("writing rows", [&] {
        given = waiting_.push({index, {faces, input}}) == push_outcome::queued;
    });
    return tried && given;
}

result<row_formatter::rows> row_formatter::format(const frame_faces& faces, const std::string& input) const {
    return caught_result("writing rows", [&]() -> result<rows> { return make_(faces, input); });
}

// The thread that made the next rows in order takes them and all ready rows after them.
void row_formatter::finish(std::uint64_t index, result<rows> made) {
    std::unique_lock lock(mutex_);
    made_[index % made_.size()].emplace(std::move(made));
    if (taking_) return;
    taking_ = true;
    for (;;) {
        auto& next = made_[to_take_ % made_.size()];
        if (!next) break;
        result<rows> taken = *std::exchange(next, std::nullopt);
        lock.unlock();
        // Caught, because otherwise later threads would wait for ever.
        [[maybe_unused]] const auto thrown = caught("writing rows", [&] { take_(std::move(taken)); });
        lock.lock();
        ++to_take_;
        taken_.notify_all();
    }
    taking_ = false;
}

void row_formatter::put(const frame_faces& faces, const std::shared_ptr<const std::string>& input) {
    {
        std::unique_lock lock(mutex_);
        taken_.wait(lock, [&] { return next_index_ - to_take_ < made_.size(); });
    }
    const auto begun = clock::now();
    const std::uint64_t index = next_index_++;
    if (is_behind(begun) && give_to_helper(index, faces, input)) return;
    auto made = format(faces, *input);
    cost_ = clock::now() - begun;
    finish(index, std::move(made));
}

void row_formatter::drain() {
    std::unique_lock lock(mutex_);
    taken_.wait(lock, [&] { return to_take_ == next_index_; });
}

}  // namespace faceflow::internal
