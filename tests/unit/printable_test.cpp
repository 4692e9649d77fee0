// SPDX-License-Identifier: Apache-2.0
#include "core/printable.hpp"

#include <gtest/gtest.h>

namespace faceflow::internal {
namespace {

TEST(printable, leaves_text_as_it_is) {
    for (const char* text : {"", "all 64 slots are promised", "Gesichter: äöü 顔 \U0001F600", "~!@#$%^&*()"})
        EXPECT_EQ(printable(text), text);
}

TEST(printable, what_steers_a_terminal_becomes_a_question_mark) {
    EXPECT_EQ(printable("\x1b[2Jgone\x07"), "?[2Jgone?");
    EXPECT_EQ(printable("\x1b]0;title\x1b\\"), "?]0;title?\\");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "?31m");  // C1: the same as escape [
    EXPECT_EQ(printable("ab\xe2\x80\xae"
                        "dc"),
              "ab?dc");  // written from right to left
    EXPECT_EQ(printable("two\nlines\r\nand\ta tab"), "two lines  and a tab");
    EXPECT_EQ(printable(std::string_view("a\0b\x7f", 4)), "a?b?");
}

TEST(printable, what_is_no_utf_8_becomes_question_marks) {
    EXPECT_EQ(printable("\xff\xfe"), "??");
    EXPECT_EQ(printable("\xc0\x80"), "??");            // too long a form of 0
    EXPECT_EQ(printable("\xed\xa0\x80"), "???");       // half of a pair
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????");  // beyond the last
    EXPECT_EQ(printable("ends early \xe2\x82"), "ends early ??");
    EXPECT_EQ(printable("\x9b"
                        "31m"),
              "?31m");
}

TEST(printable, is_no_longer_than_it_may_be) {
    EXPECT_EQ(printable(std::string(5000, 'x')), std::string(max_printable, 'x') + "...");
    EXPECT_EQ(printable("äöü", 5), "äö...");
}

}  // namespace
}  // namespace faceflow::internal
