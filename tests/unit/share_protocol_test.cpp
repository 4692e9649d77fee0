// SPDX-License-Identifier: Apache-2.0
// What is taken for a message of the share protocol, and what is not.
#include <gmock/gmock.h>

#include <cstring>

#include "ipc/share_protocol.hpp"
#include "support.hpp"

namespace faceflow::internal::ipc {
namespace {

using testing::HasSubstr;

template <class Body>
message message_of(share_message kind, const Body& body, int descriptors = 0) {
    message m;
    m.kind = static_cast<std::uint16_t>(kind);
    const auto bytes = std::as_bytes(std::span(&body, 1));
    m.body.assign(bytes.begin(), bytes.end());
    m.descriptors.resize(static_cast<std::size_t>(descriptors));
    return m;
}

template <class T>
errc code_of(const result<T>& r) {
    EXPECT_FALSE(r.has_value());
    return r ? errc::internal : r.error().code;
}

share_frame a_frame() {
    share_frame f;
    f.serial = 5;
    f.picture = facts_of(test::random_picture(pixel_format::i420, 64, 48, 1).view);
    return f;
}

TEST(share_protocol, a_greeting_of_a_later_version_is_named_whatever_follows_it) {
    const std::array<std::uint32_t, 9> later{share_version + 1};
    const auto r = read_share_hello(message_of(share_message::hello, later));
    EXPECT_EQ(code_of(r), errc::unsupported);
    EXPECT_THAT(r.error().message, HasSubstr("version " + std::to_string(share_version + 1)));
    EXPECT_EQ(code_of(read_share_hello(message_of(share_message::hello, std::uint16_t{1}))), errc::corrupt);
    EXPECT_OK(read_share_hello(message_of(share_message::hello, share_hello{})));
    EXPECT_EQ(code_of(read_share_hello(message_of(share_message::welcome, share_hello{}))), errc::corrupt);
    EXPECT_EQ(code_of(read_share_hello(message_of(share_message::hello, share_hello{}, 1))), errc::corrupt);
}

TEST(share_protocol, a_welcome_grants_no_more_than_was_asked_for) {
    share_welcome w{share_version, 4, 1, 0};
    EXPECT_OK(read_share_welcome(message_of(share_message::welcome, w, 1), 4));
    EXPECT_EQ(code_of(read_share_welcome(message_of(share_message::welcome, w, 1), 3)), errc::corrupt);
    EXPECT_EQ(code_of(read_share_welcome(message_of(share_message::welcome, w, 0), 4)), errc::corrupt);
    w.leases = 0;
    EXPECT_EQ(code_of(read_share_welcome(message_of(share_message::welcome, w, 1), 4)), errc::corrupt);
    w = {9, 4, 1, 0};
    EXPECT_EQ(code_of(read_share_welcome(message_of(share_message::welcome, w, 1), 4)), errc::unsupported);
}

TEST(share_protocol, a_refusal_is_an_error_whatever_is_in_it) {
    EXPECT_EQ(read_share_refusal(message_of(share_message::refusal, std::uint16_t{1})).code, errc::corrupt);
    const share_refusal odd{1, static_cast<errc>(77)};
    EXPECT_EQ(read_share_refusal(message_of(share_message::refusal, odd)).code, errc::unavailable);
    EXPECT_FALSE(read_share_refusal(message_of(share_message::refusal, odd)).message.empty());
}

TEST(share_protocol, slabs_have_sizes_that_cannot_overflow) {
    share_slab s{0, 4, 4096, 0, device_kind::emulated, {}};
    EXPECT_OK(read_share_slab(message_of(share_message::slab, s, 1)));
    EXPECT_OK(read_share_slab(message_of(share_message::slab_gone, s, 0)));
    EXPECT_EQ(code_of(read_share_slab(message_of(share_message::slab, s, 0))), errc::corrupt);
    EXPECT_EQ(code_of(read_share_slab(message_of(share_message::slab_gone, s, 1))), errc::corrupt);
    for (const auto& [slots, bytes] :
         {std::pair{0u, std::uint64_t{1}}, {1u, std::uint64_t{0}}, {UINT32_MAX, std::uint64_t{1}}, {1u, UINT64_MAX}}) {
        s.slots = slots;
        s.slot_bytes = bytes;
        EXPECT_EQ(code_of(read_share_slab(message_of(share_message::slab, s, 1))), errc::corrupt);
    }
    s = {0, 4, 4096, 0, device_kind::cuda, {}};
    EXPECT_EQ(code_of(read_share_slab(message_of(share_message::slab, s, 1))), errc::corrupt);
}

TEST(share_protocol, frames_name_a_lease_and_a_picture) {
    EXPECT_OK(read_share_frame(message_of(share_message::frame, a_frame()), 1));
    auto f = a_frame();
    f.place = 1;
    EXPECT_EQ(code_of(read_share_frame(message_of(share_message::frame, f), 1)), errc::corrupt);
    EXPECT_OK(read_share_frame(message_of(share_message::frame, f), 2));
    for (const std::uint64_t serial : {std::uint64_t{0}, UINT64_MAX / 4, UINT64_MAX}) {
        f = a_frame();
        f.serial = serial;
        EXPECT_EQ(code_of(read_share_frame(message_of(share_message::frame, f), 1)), errc::corrupt) << serial;
    }
    f = a_frame();
    f.picture.format = 200;
    EXPECT_EQ(code_of(read_share_frame(message_of(share_message::frame, f), 1)), errc::corrupt);
    f = a_frame();
    f.picture.height = -1;
    EXPECT_EQ(code_of(read_share_frame(message_of(share_message::frame, f), 1)), errc::corrupt);
}

TEST(share_protocol, a_frame_lies_in_its_slab_or_is_refused) {
    const share_slab s{0, 4, 64 * 48 * 3 / 2, 0, device_kind::cpu, {}};
    auto f = a_frame();
    f.slot = 3;
    EXPECT_OK(fits(f, s));
    f.slot = 4;
    EXPECT_EQ(code_of(fits(f, s)), errc::corrupt);
    f.slot = 0;
    f.picture.width = 65;
    EXPECT_EQ(code_of(fits(f, s)), errc::corrupt);
}

TEST(share_protocol, the_word_of_a_place_only_grows) {
    std::uint64_t last = 0;
    for (std::uint64_t serial = 1; serial < 4; ++serial) {
        for (const auto value :
             {place_word::given(serial), place_word::claimed(serial), place_word::returned(serial)}) {
            EXPECT_GT(value, last);
            last = value;
        }
    }
}

}  // namespace
}  // namespace faceflow::internal::ipc
