// SPDX-License-Identifier: Apache-2.0
#include "core/thread.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <stdexcept>

#include "no_threads.hpp"

namespace faceflow::internal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const thread_failed nobody = [](const error& e) { ADD_FAILURE() << e.message; };

TEST(thread, runs_its_work) {
    std::atomic<int> ran{0};
    auto t = start_thread(
        "counting", [&] { ++ran; }, nobody);
    ASSERT_TRUE(t) << t.error().message;
    t->join();
    auto j = start_jthread(
        "waiting",
        [&](const std::stop_token& over) {
            while (!over.stop_requested())
                std::this_thread::yield();
            ++ran;
        },
        nobody);
    ASSERT_TRUE(j) << j.error().message;
    *j = {};
    EXPECT_EQ(ran, 2);
}

TEST(thread, that_cannot_be_made_is_an_error_which_says_for_what_and_what_to_do) {
    const no_threads none;
    const auto t = start_thread(
        "capturing source 3", [] { ADD_FAILURE(); }, nobody);
    ASSERT_FALSE(t);
    EXPECT_EQ(t.error().code, errc::unavailable);
    EXPECT_THAT(t.error().message,
                AllOf(HasSubstr("cannot start a thread for capturing source 3"), HasSubstr("ulimit -u")));
    const auto j = start_jthread(
        "watching", [](const std::stop_token&) { ADD_FAILURE(); }, nobody);
    ASSERT_FALSE(j);
    EXPECT_THAT(j.error().message, HasSubstr("watching"));
}

TEST(thread, what_leaves_it_as_an_exception_is_told_as_an_error) {
    for (const auto& [thrown, code] : {std::pair{std::make_exception_ptr(std::bad_alloc()), errc::out_of_memory},
                                       {std::make_exception_ptr(std::runtime_error("boom")), errc::internal},
                                       {std::make_exception_ptr(7), errc::internal}}) {
        first_error first;
        auto t = start_thread(
            "reading clip.mp4", [&, thrown = thrown] { std::rethrow_exception(thrown); },
            [&](error e) { first.put(std::move(e)); });
        ASSERT_TRUE(t) << t.error().message;
        t->join();
        const auto told = first.get();
        ASSERT_FALSE(told);
        EXPECT_EQ(told.error().code, code);
        EXPECT_THAT(told.error().message, HasSubstr("reading clip.mp4"));
    }
}

int niceness() {
    return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
}

TEST(thread, work_that_gives_way_is_nicer_and_so_are_the_threads_it_starts) {
    const int own = niceness();
    int work = own, started = own;
    call_giving_way([&] {
        work = niceness();
        std::thread([&] { started = niceness(); }).join();
    });
    EXPECT_EQ(work, std::min(own + 10, 19));
    EXPECT_EQ(started, work);
    EXPECT_EQ(niceness(), own);
}

TEST(thread, the_first_error_stays) {
    first_error first;
    EXPECT_TRUE(first.get());
    first.put({errc::io, "one"});
    first.put({errc::corrupt, "two"});
    EXPECT_EQ(first.get().error().message, "one");
}

TEST(thread, caught_passes_on_what_did_not_throw) {
    EXPECT_TRUE(caught("nothing", [] {}));
    EXPECT_EQ(caught("something", [] { throw std::bad_alloc(); }).error().code, errc::out_of_memory);
}

}  // namespace
}  // namespace faceflow::internal
