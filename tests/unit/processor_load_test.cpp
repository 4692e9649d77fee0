// SPDX-License-Identifier: Apache-2.0
// How busy processors are, of what the system says.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "core/processor_load.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

class processor_loads : public testing::Test {
protected:
    void say(const std::string& text) {
        std::filesystem::create_directories(folder_ / "proc");
        std::ofstream(folder_ / "proc/stat") << text;
    }
    static void pass() { std::this_thread::sleep_for(std::chrono::milliseconds(250)); }

    test::temporary_folder folder_;
    processor_load load_{folder_ / ""};
};

TEST_F(processor_loads, are_the_part_of_the_time_since_the_call_before) {
    say("cpu  100 0 50 1000 50 0 0 0 0 0\ncpu0 1 2 3 4\n");
    EXPECT_FALSE(load_.since_last()) << "nothing was before";
    pass();
    say("cpu  160 10 80 1190 60 0 0 0 0 0\n");  // 100 of 300 ticks at work, 190 idle, 10 waiting for a disk
    const auto busy = load_.since_last();
    ASSERT_TRUE(busy);
    EXPECT_NEAR(*busy, 1.0 / 3, 1e-9);
}

TEST_F(processor_loads, what_the_process_itself_uses_counts_where_the_machine_seems_idle) {
    say("cpu  100 0 0 1000 0 0 0 0\n");
    EXPECT_FALSE(load_.since_last());
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (std::chrono::steady_clock::now() < until) {
    }
    say("cpu  100 0 0 2000 0 0 0 0\n");
    const auto busy = load_.since_last();
    ASSERT_TRUE(busy);
    EXPECT_GT(*busy, 0.0);
}

TEST_F(processor_loads, are_not_known_where_the_system_does_not_say_or_lies) {
    EXPECT_FALSE(load_.since_last());
    for (const char* text : {"", "cpu", "cpu x", "intr 1 2 3", "cpu 1 2 3"}) {
        say(text);
        EXPECT_FALSE(load_.since_last()) << text;
    }
    say("cpu  100 0 0 1000 0 0 0 0\n");
    EXPECT_FALSE(load_.since_last());
    pass();
    say("cpu  50 0 0 500 0 0 0 0\n");
    EXPECT_FALSE(load_.since_last()) << "less than before";
}

TEST_F(processor_loads, are_not_told_of_a_moment) {
    const auto begun = std::chrono::steady_clock::now();
    say("cpu  100 0 0 1000 0 0 0 0\n");
    EXPECT_FALSE(load_.since_last());
    say("cpu  200 0 0 1000 0 0 0 0\n");
    const auto busy = load_.since_last();
    const bool at_once = std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(200);
    EXPECT_EQ(busy.has_value(), !at_once);
}

}  // namespace
}  // namespace faceflow::internal
