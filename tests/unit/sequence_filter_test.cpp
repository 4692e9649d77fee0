// SPDX-License-Identifier: Apache-2.0
#include "frame/sequence_filter.hpp"

#include <gtest/gtest.h>

namespace faceflow::internal {
namespace {

TEST(sequence_filter, lets_each_sequence_pass_once_and_only_upwards) {
    sequence_filter gate;
    EXPECT_TRUE(gate.admit(0));
    EXPECT_TRUE(gate.admit(1));
    EXPECT_FALSE(gate.admit(1));
    EXPECT_FALSE(gate.admit(0));
    EXPECT_TRUE(gate.admit(5));
    EXPECT_FALSE(gate.admit(4));
    EXPECT_TRUE(gate.admit(6));
    EXPECT_EQ(gate.missing(), 3u);
}

TEST(sequence_filter, counts_what_is_missing_before_the_first_frame) {
    sequence_filter gate;
    EXPECT_TRUE(gate.admit(10));
    EXPECT_EQ(gate.missing(), 10u);
}

}  // namespace
}  // namespace faceflow::internal
