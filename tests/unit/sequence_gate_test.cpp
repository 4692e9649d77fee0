// SPDX-License-Identifier: Apache-2.0
#include "frame/sequence_gate.hpp"

#include <gtest/gtest.h>

namespace faceflow {
namespace {

TEST(sequence_gate, lets_each_sequence_pass_once_and_only_upwards) {
    sequence_gate gate;
    EXPECT_TRUE(gate.admit(0));
    EXPECT_TRUE(gate.admit(1));
    EXPECT_FALSE(gate.admit(1));
    EXPECT_FALSE(gate.admit(0));
    EXPECT_TRUE(gate.admit(5));
    EXPECT_FALSE(gate.admit(4));
    EXPECT_TRUE(gate.admit(6));
    EXPECT_EQ(gate.missing(), 3u);
}

TEST(sequence_gate, counts_what_is_missing_before_the_first_frame) {
    sequence_gate gate;
    EXPECT_TRUE(gate.admit(10));
    EXPECT_EQ(gate.missing(), 10u);
}

}  // namespace
}  // namespace faceflow
