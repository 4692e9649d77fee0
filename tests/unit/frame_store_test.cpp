// SPDX-License-Identifier: Apache-2.0
#include "frame/frame_store.hpp"

#include <gtest/gtest.h>

#include "backends/open_devices.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

TEST(frame_store, does_not_keep_staging_memory_of_every_size_that_ever_came) {
    const auto on = std::move(open_devices({"emulated", std::size_t{64} << 20, "none"}).value().front());
    frame_store store(*on, {});
    const tag t{stage::capture, {}};
    image picture{.format = pixel_format::gray8, .width = 8000, .height = 2000};
    const auto held = store.expect(picture, t);  // being filled all the while
    ASSERT_OK(held);
    for (int i = 1; i <= 40; ++i) {
        picture.height = 2000 + i;
        ASSERT_OK(store.expect(picture, t));
    }
    EXPECT_GT(store.staging_bytes(), frame_store::max_idle_staging / 2) << "sizes that take turns keep theirs";
    EXPECT_LT(store.staging_bytes(), frame_store::max_idle_staging + 2 * std::size_t{17} * 1000 * 1000);
}

}  // namespace
}  // namespace faceflow::internal
