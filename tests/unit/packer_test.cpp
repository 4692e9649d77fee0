// SPDX-License-Identifier: Apache-2.0
// Packing by several threads gives what packing by one gives.
#include "frame/packer.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "backends/open_devices.hpp"
#include "frame/frame_store.hpp"
#include "frame/layout.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

std::vector<std::byte> packed(const image& picture) {
    std::vector<std::byte> bytes(native_bytes(picture.format, picture.width, picture.height));
    pack(picture, bytes.data());
    return bytes;
}

std::vector<std::byte> packed_by(packer& by, const image& picture) {
    std::vector<std::byte> bytes(native_bytes(picture.format, picture.width, picture.height), std::byte{0xAA});
    by.pack(picture, bytes.data());
    return bytes;
}

TEST(packer, gives_the_bytes_of_one_thread_for_every_layout_and_any_number_of_threads) {
    for (const std::int32_t threads : {1, 2, 4}) {
        packer by(threads);
        for (const auto format : {pixel_format::i420, pixel_format::nv12, pixel_format::bgr24, pixel_format::gray8,
                                  pixel_format::pal8, pixel_format::i444_10le}) {
            for (const auto& [w, h] : {std::pair{1, 1}, {33, 17}, {1283, 719}, {1920, 1080}}) {
                const auto picture = test::random_picture(format, w, h, 7);
                EXPECT_EQ(packed_by(by, picture.view), packed(picture.view))
                    << name(format) << ' ' << w << 'x' << h << ", " << threads << " threads";
            }
        }
    }
}

TEST(packer, follows_rows_that_are_padded_or_upside_down) {
    packer by(3);
    const std::int32_t width = 1000, height = 900;
    std::vector<std::uint8_t> rows(static_cast<std::size_t>(1024 * height));
    for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i] = static_cast<std::uint8_t>(i * 31 + i / 1024);
    image picture;
    picture.format = pixel_format::gray8;
    picture.width = width;
    picture.height = height;
    picture.planes[0] = {rows.data(), 1024};
    EXPECT_EQ(packed_by(by, picture), packed(picture));
    picture.planes[0] = {rows.data() + std::ptrdiff_t{1024} * (height - 1), -1024};
    const auto upside_down = packed_by(by, picture);
    EXPECT_EQ(upside_down, packed(picture));
    EXPECT_EQ(std::to_integer<std::uint8_t>(upside_down.front()), rows[std::size_t{1024} * (height - 1)]);
}

TEST(packer, serves_many_callers_at_once_each_with_its_own_picture) {
    packer by(3);
    std::vector<std::thread> callers;
    for (std::uint32_t c = 0; c < 4; ++c) {
        callers.emplace_back([&by, c] {
            const auto picture = test::random_picture(pixel_format::i420, 1280, 720, c);
            const auto wanted = packed(picture.view);
            for (int round = 0; round < 50; ++round)
                ASSERT_EQ(packed_by(by, picture.view), wanted);
        });
    }
    for (auto& t : callers)
        t.join();
}

TEST(packer, brings_a_store_s_frames_to_the_device_whole) {
    auto devices = open_devices({"emulated", 64u << 20, "none"});
    ASSERT_OK(devices);
    device& on = *devices->front();
    auto up = *on.make_stream("up");
    const auto picture = test::random_picture(pixel_format::nv12, 1920, 1080, 3);
    frame_store store(on, {.packing_threads = 4});
    for (std::uint64_t n = 0; n < 8; ++n) {
        host_frame from;
        from.id = {0, n};
        from.picture = picture.view;
        auto there = store.upload(*up, from, stage::capture);
        ASSERT_OK(there);
        const auto done = *on.make_event();
        up->record(*done);
        ASSERT_OK(wait_until_done(on, *done, {stage::capture, from.id}));
        const auto* bytes =
            on.kernel_address(reinterpret_cast<std::byte*>(const_cast<std::uint8_t*>(there->picture.planes[0].data)));
        const auto wanted = packed(picture.view);
        EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), bytes));
    }
    store.close();
}

}  // namespace
}  // namespace faceflow::internal
