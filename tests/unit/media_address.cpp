// SPDX-License-Identifier: Apache-2.0
#include "media/address.hpp"

#include <gtest/gtest.h>

namespace faceflow::internal::media {
namespace {

TEST(address, shows_no_password) {
    EXPECT_EQ(without_secrets("rtsp://user:secret@cam/stream"), "rtsp://user:***@cam/stream");
    EXPECT_EQ(without_secrets("rtsp://user:se@cret@cam:554/stream?a=b"), "rtsp://user:***@cam:554/stream?a=b");
    EXPECT_EQ(without_secrets("rtsp://user:@cam/"), "rtsp://user:***@cam/");
    EXPECT_EQ(without_secrets("http://cam/video?user=me&pwd=secret&size=2"), "http://cam/video?user=me&pwd=***&size=2");
    EXPECT_EQ(without_secrets("http://cam/video?Access_Token=secret"), "http://cam/video?Access_Token=***");
    EXPECT_EQ(without_secrets("http://u:p@[::1]:80/x#y"), "http://u:***@[::1]:80/x#y");
}

TEST(address, leaves_the_rest_as_it_is) {
    for (const char* input : {"rtsp://cam:554/stream", "rtsp://user@cam/stream", "http://cam/a:b@c",
                              "/home/me/a:b@c.mp4", "-", "", "http://cam/video?size=2&flag", "clip.mp4"})
        EXPECT_EQ(without_secrets(input), input);
}

}  // namespace
}  // namespace faceflow::internal::media
