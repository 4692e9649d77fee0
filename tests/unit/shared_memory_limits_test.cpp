// SPDX-License-Identifier: Apache-2.0
// Memory that processes share: what becomes of it when there is no descriptor for it, and that nothing is kept of what has gone.
#include <gmock/gmock.h>

#include "backends/open_devices.hpp"
#include "device/slab.hpp"
#include "flow/multi_process/exported_slabs.hpp"
#include "frame/frame_store.hpp"
#include "limits.hpp"
#include "peer.hpp"
#include "share/slab_registry.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

using testing::HasSubstr;

class memory_to_share : public testing::Test {
protected:
    lease slot_of_new_slab() const { return lease::acquire(slab::create(on, 64 << 10, 2).value()).value(); }

    const std::vector<std::unique_ptr<device>> devices = open_devices({"cpu", 256u << 20, "none"}).value();
    device& on = *devices.front();
};

TEST_F(memory_to_share, that_a_descriptor_is_missing_for_says_so) {
    if (test::sanitized) GTEST_SKIP() << test::no_descriptors_for_sanitizers;
    const auto made = [&] {
        const test::no_more_descriptors none;
        return slab::create(on, 64 << 10, 2).value();
    }();
    const auto exported = on.export_memory(made->memory(), made->slot_bytes() * made->slots());
    ASSERT_FALSE(exported);
    EXPECT_EQ(exported.error().code, errc::unavailable);
    EXPECT_THAT(exported.error().message, HasSubstr("ulimit -n"));
}

TEST_F(memory_to_share, frames_that_must_be_shared_are_so_again_once_there_are_descriptors) {
    if (test::sanitized) GTEST_SKIP() << test::no_descriptors_for_sanitizers;
    frame_store_options o;
    o.cache = false;
    o.always_in_slots = true;
    frame_store frames(on, o);
    const auto up = on.make_stream("up").value();
    const auto picture = test::random_picture(pixel_format::nv12, 640, 480, 1);
    host_frame f;
    f.picture = picture.view;
    {
        const test::no_more_descriptors none;
        const auto failed = frames.upload(*up, f, stage::capture);
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().code, errc::out_of_memory) << "it is tried again";
        EXPECT_THAT(failed.error().message, HasSubstr("ulimit -n"));
    }
    const auto uploaded = frames.upload(*up, f, stage::capture);
    ASSERT_OK(uploaded);
    flow::exported_slabs slabs(on);
    EXPECT_OK(slabs.name_of(uploaded->stored->slot));
    frames.close();
}

TEST_F(memory_to_share, what_came_and_went_is_told_and_then_forgotten) {
    flow::exported_slabs slabs(on);
    flow::exported_slabs::announced early, late;
    const auto tell = [&](flow::exported_slabs::announced& to) {
        std::pair<int, int> came_and_went;
        for (const auto& e : slabs.changes_since(to)) {
            ++(e.memory != nullptr ? came_and_went.first : came_and_went.second);
            to.add(e);
        }
        EXPECT_TRUE(slabs.changes_since(to).empty());
        return came_and_went;
    };
    const auto stays = slot_of_new_slab();
    ASSERT_OK(slabs.name_of(stays));
    EXPECT_EQ(tell(early), std::pair(1, 0));
    const std::size_t before = test::open_descriptors();
    for (int i = 0; i < 500; ++i) {
        ASSERT_OK(slabs.name_of(slot_of_new_slab()));
        EXPECT_EQ(tell(early), i == 0 ? std::pair(1, 0) : std::pair(1, 1));
    }
    ASSERT_OK(slabs.name_of(stays));
    EXPECT_EQ(tell(early), std::pair(0, 1));
    // One that comes now has to know of what there is alone.
    EXPECT_EQ(tell(late), std::pair(1, 0));
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST_F(memory_to_share, a_telling_that_was_cut_short_goes_on) {
    flow::exported_slabs slabs(on);
    flow::exported_slabs::announced to;
    const auto a = slot_of_new_slab(), b = slot_of_new_slab();
    ASSERT_OK(slabs.name_of(a));
    ASSERT_OK(slabs.name_of(b));
    const auto both = slabs.changes_since(to);
    ASSERT_EQ(both.size(), 2u);
    to.add(both[0]);
    const auto rest = slabs.changes_since(to);
    ASSERT_EQ(rest.size(), 1u);
    EXPECT_EQ(rest[0].facts.number, both[1].facts.number);
}

TEST_F(memory_to_share, a_book_for_clients_has_what_there_is_alone) {
    share::slab_registry book(on);
    for (int i = 0; i < 50; ++i)
        ASSERT_OK(book.find(slot_of_new_slab()));
    EXPECT_LE(book.entries().size(), 2u);
    EXPECT_GE(book.version(), 50u);
}

}  // namespace
}  // namespace faceflow::internal
