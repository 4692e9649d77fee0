// SPDX-License-Identifier: Apache-2.0
// What flows of several threads share: the order of a source's frames, and how errors are passed on.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

#include "core/try.hpp"
#include "flow/io/frame_job.hpp"
#include "flow/io/source_sequencer.hpp"
#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

using sequencer = source_sequencer<int>;

result<int> seven() {
    return 7;
}

TEST(source_sequencer, makes_a_state_for_each_source_once) {
    sequencer s;
    int made = 0;
    const auto make = [&]() -> result<int> { return ++made; };
    auto a = s.find(4, make), again = s.find(4, make), b = s.find(5, make);
    ASSERT_OK(a);
    ASSERT_OK(b);
    EXPECT_EQ(*a, *again);
    EXPECT_EQ((*a)->state, 1);
    EXPECT_EQ((*b)->state, 2);
}

TEST(source_sequencer, an_error_of_making_is_returned_and_nothing_is_kept) {
    sequencer s;
    const auto failed = s.find(0, []() -> result<int> { return fail(errc::out_of_memory, "no"); });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, errc::out_of_memory);
    const auto made = s.find(0, seven);
    ASSERT_OK(made);
    EXPECT_EQ((*made)->state, 7);
}

TEST(source_sequencer, a_frame_waits_for_the_one_before) {
    sequencer s;
    auto* const source = *s.find(0, seven);
    s.wait_for_previous(*source, 1);  // the first has none
    const auto first = s.begin(*source), second = s.begin(*source);
    EXPECT_EQ(second, first + 1);
    auto waits = std::async(std::launch::async, [&] { s.wait_for_previous(*source, second); });
    EXPECT_EQ(waits.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
    s.finish(*source, first);
    waits.get();
}

TEST(source_sequencer, sources_do_not_wait_for_each_other) {
    sequencer s;
    auto *const a = *s.find(0, seven), *const b = *s.find(1, seven);
    static_cast<void>(s.begin(*a));
    static_cast<void>(s.begin(*a));
    s.wait_for_previous(*b, s.begin(*b));  // though a frame of the other is not finished
}

TEST(frame_job, is_delivered_under_its_place_in_the_order) {
    std::vector<std::uint64_t> handled;
    std::promise<void> done;
    reorder_buffer to([&](outcome&& o) { handled.push_back(o.frame.id.sequence); },
                      [&](std::size_t device) {
                          EXPECT_EQ(device, 2u);
                          if (handled.size() == 3) done.set_value();
                      },
                      [](const error& e) { ADD_FAILURE() << e.message; });
    ASSERT_OK(to.start());
    for (const std::uint64_t i : {2, 0, 1}) {
        frame_job j;
        j.index = i;
        j.device = 2;
        j.from.id = {0, i};
        deliver(j, frame_faces{}, to);
    }
    done.get_future().wait();
    EXPECT_EQ(handled, (std::vector<std::uint64_t>{0, 1, 2}));
}

result<std::unique_ptr<int>> number_if(bool there, int& calls) {
    ++calls;
    if (!there) return fail(errc::not_found, "none");
    return std::make_unique<int>(3);
}

TEST(try_macros, leave_with_the_error_or_go_on_with_the_value) {
    int calls = 0;
    const auto twice = [&](bool first, bool second) -> result<int> {
        FACEFLOW_TRY(number_if(first, calls));
        FACEFLOW_ASSIGN(auto one, number_if(second, calls));
        std::unique_ptr<int> other;
        FACEFLOW_ASSIGN(other, number_if(true, calls));
        return *one + *other;
    };
    EXPECT_EQ(twice(true, true).value(), 6);
    EXPECT_EQ(calls, 3) << "each expression is evaluated once";
    EXPECT_EQ(twice(false, true).error().code, errc::not_found);
    EXPECT_EQ(calls, 4);
    EXPECT_EQ(twice(true, false).error().message, "none");
    EXPECT_EQ(calls, 6);
}

}  // namespace
}  // namespace faceflow::internal::flow
