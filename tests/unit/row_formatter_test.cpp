// SPDX-License-Identifier: Apache-2.0
// Rows come out in the order in which frames were put, however many threads make them.
#include "engine/row_formatter.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "support.hpp"

namespace faceflow::internal {
namespace {

const auto input = std::make_shared<const std::string>("clip.mp4");

frame_faces numbered(std::uint64_t sequence) {
    frame_faces f;
    f.id.sequence = sequence;
    return f;
}

class row_formatters : public testing::TestWithParam<std::size_t> {
protected:
    // Long enough to be behind with, and not equally long for all.
    row_formatter::rows make(const frame_faces& f, const std::string& from) {
        makers_.at_work();
        const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(100 + f.id.sequence % 7 * 50);
        while (std::chrono::steady_clock::now() < until) {
        }
        row_formatter::rows all;
        all.emplace_back(from + " " + std::to_string(f.id.sequence));
        if (f.id.sequence % 10 == 9) {
            all.emplace_back(fail(errc::out_of_memory, "no memory"));
        } else {
            all.emplace_back("");
        }
        return all;
    }
    void take(const result<row_formatter::rows>& rows) {
        EXPECT_EQ(taking_.fetch_add(1), 0) << "one at a time";
        taken_.push_back(rows ? *(*rows)[0] : rows.error().message);
        if (rows && !(*rows)[1]) ++lost_;
        --taking_;
    }

    struct {
        std::mutex mutex;
        std::set<std::thread::id> threads;
        void at_work() {
            const std::lock_guard lock(mutex);
            threads.insert(std::this_thread::get_id());
        }
    } makers_;
    std::atomic<int> taking_{0};
    std::vector<std::string> taken_;
    int lost_ = 0;
    row_formatter formatter_{GetParam(),
                             [this](const frame_faces& f, const std::string& from) { return make(f, from); },
                             [this](const result<row_formatter::rows>& rows) { take(rows); }};
};

INSTANTIATE_TEST_SUITE_P(helpers, row_formatters, testing::Values(0, 1, 3));

TEST_P(row_formatters, keep_the_order_of_frames) {
    constexpr std::uint64_t frames = 400;
    for (std::uint64_t i = 0; i < frames; ++i)
        formatter_.put(numbered(i), input);
    formatter_.drain();
    ASSERT_EQ(taken_.size(), frames);
    for (std::uint64_t i = 0; i < frames; ++i)
        EXPECT_EQ(taken_[i], "clip.mp4 " + std::to_string(i));
    EXPECT_EQ(lost_, 40) << "an output that has no row";
    if (GetParam() == 0) {
        EXPECT_EQ(makers_.threads.size(), 1u);
    } else {
        EXPECT_GT(makers_.threads.size(), 1u) << "the caller is behind, and is helped";
    }
    EXPECT_LE(makers_.threads.size(), GetParam() + 1);
}

TEST_P(row_formatters, drained_or_destroyed_have_given_all) {
    for (std::uint64_t i = 0; i < 50; ++i)
        formatter_.put(numbered(i), input);
    formatter_.drain();
    EXPECT_EQ(taken_.size(), 50u);
    formatter_.drain();
    formatter_.put(numbered(50), input);
    formatter_.drain();
    EXPECT_EQ(taken_.size(), 51u);
}

TEST(row_formatter, a_caller_that_has_time_makes_rows_itself) {
    std::set<std::thread::id> threads;
    row_formatter formatter(
        4,
        [&](const frame_faces&, const std::string&) {
            threads.insert(std::this_thread::get_id());
            return row_formatter::rows{std::string("row")};
        },
        [](const result<row_formatter::rows>&) {});
    for (std::uint64_t i = 0; i < 20; ++i) {
        formatter.put(numbered(i), input);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    formatter.drain();
    EXPECT_EQ(threads, std::set{std::this_thread::get_id()});
}

TEST(row_formatter, what_throws_while_rows_are_made_is_an_error_of_that_frame) {
    std::vector<bool> there;
    row_formatter formatter(
        2,
        [](const frame_faces& f, const std::string&) -> row_formatter::rows {
            if (f.id.sequence == 1) throw std::bad_alloc();
            return {std::string("row")};
        },
        [&](const result<row_formatter::rows>& rows) { there.push_back(rows.has_value()); });
    for (std::uint64_t i = 0; i < 3; ++i)
        formatter.put(numbered(i), input);
    formatter.drain();
    EXPECT_EQ(there, (std::vector<bool>{true, false, true}));
}

}  // namespace
}  // namespace faceflow::internal
