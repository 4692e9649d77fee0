// SPDX-License-Identifier: Apache-2.0
// Who decodes on a device whose decoder is shared, and which packets a decoder can begin with.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "media/decoder_share.hpp"
#include "media/entry_packet.hpp"

namespace faceflow::internal::media {
namespace {

using namespace std::chrono_literals;
using clock = decoder_share::clock;
using member = std::unique_ptr<decoder_share::member>;

constexpr auto between_frames = 40ms;

class sharing : public testing::Test {
protected:
    std::vector<std::string> notes_;
    std::optional<double> processors_busy_ = 0.1;
    decoder_share share_{[this](const std::string& note) { notes_.push_back(note); }, std::nullopt,
                         [this] { return processors_busy_; }};
    clock::time_point now_ = clock::now();

    std::vector<member> join(std::size_t count) {
        std::vector<member> all;
        for (std::size_t i = 0; i < count; ++i)
            all.push_back(share_.join(now_));
        now_ += 10s;  // they have settled
        return all;
    }
    // A second of frames that took so long each; all of it at one point in time.
    void pass_a_second(member& m, clock::duration each) {
        for (int i = 0; i < 25; ++i)
            m->took(each, between_frames, now_);
        now_ += 1s;
    }
    // Twice as many as rounds: a device is full that was so twice in a row.
    void pass_seconds(std::vector<member>& all, clock::duration each, int rounds = 1) {
        for (int round = 0; round < 2 * rounds; ++round)
            for (auto& m : all)
                pass_a_second(m, each);
    }
    static std::size_t wanting(const std::vector<member>& all) {
        return static_cast<std::size_t>(std::ranges::count_if(all, [](const member& m) { return m->wants_device(); }));
    }
    // What making a decoder for it gives.
    static result<decoder> made_for(member& m, const decoder_share::maker& make) {
        m->prepare(make);
        for (;;) {
            if (auto made = m->take_prepared()) return std::move(*made);
            std::this_thread::sleep_for(1ms);
        }
    }
    static result<decoder> none() { return fail(errc::unavailable, "no room"); }
};

TEST_F(sharing, all_decode_on_a_device_that_keeps_up) {
    auto all = join(40);
    EXPECT_EQ(std::ranges::count_if(all, [](const member& m) { return m->on_device(); }), 40);
    pass_seconds(all, between_frames / 2, 10);
    EXPECT_EQ(wanting(all), 40u);
    EXPECT_TRUE(notes_.empty());
}

TEST_F(sharing, of_a_full_device_one_source_leaves_and_nobody_takes_its_place) {
    auto all = join(4);
    pass_seconds(all, between_frames);
    EXPECT_EQ(wanting(all), 3u);
    ASSERT_EQ(notes_.size(), 1u);
    EXPECT_NE(notes_[0].find("4 sources"), std::string::npos) << notes_[0];
    EXPECT_FALSE(share_.join(now_)->on_device());
    EXPECT_FALSE(share_.join(now_)->wants_device());
    all.front()->moved(false);
    EXPECT_FALSE(all.front()->wants_device()) << "it stays away";
    EXPECT_EQ(wanting(all), 3u);
}

TEST_F(sharing, the_next_leaves_only_when_the_one_before_has_gone) {
    auto all = join(4);
    pass_seconds(all, between_frames, 3);
    EXPECT_EQ(wanting(all), 3u);
    all.front()->moved(false);
    pass_seconds(all, between_frames);
    EXPECT_EQ(wanting(all), 2u);
    EXPECT_EQ(notes_.size(), 1u) << "told once";
}

TEST_F(sharing, nobody_leaves_for_a_cpu_that_has_no_time) {
    auto all = join(4);
    processors_busy_ = 0.9;
    pass_seconds(all, between_frames, 3);
    EXPECT_EQ(wanting(all), 4u);
    processors_busy_ = std::nullopt;
    pass_seconds(all, between_frames, 3);
    EXPECT_EQ(wanting(all), 4u) << "what was known last counts";
    processors_busy_ = 0.2;
    pass_seconds(all, between_frames);
    EXPECT_EQ(wanting(all), 3u);
}

TEST_F(sharing, a_device_that_makes_a_decoder_is_not_judged) {
    auto all = join(3);
    all.push_back(share_.join(now_));
    for (auto& m : all)
        for (int i = 0; i < 50; ++i)
            m->took(between_frames, between_frames, now_);
    EXPECT_EQ(wanting(all), 4u);
}

TEST_F(sharing, one_second_of_a_device_that_stalls_makes_nobody_leave) {
    auto all = join(4);
    for (int round = 0; round < 3; ++round) {
        for (auto& m : all)
            pass_a_second(m, 2 * between_frames);
        for (auto& m : all)
            pass_a_second(m, between_frames / 4);
    }
    EXPECT_EQ(wanting(all), 4u);
}

TEST_F(sharing, a_source_that_no_entry_packet_lets_go_is_given_up_and_another_is_told) {
    auto all = join(4);
    pass_seconds(all, between_frames);
    EXPECT_EQ(wanting(all), 3u);
    now_ += 11s;
    pass_seconds(all, between_frames);
    EXPECT_EQ(wanting(all), 3u) << "another one in its place";
    EXPECT_TRUE(std::ranges::all_of(all, [](const member& m) { return m->on_device(); }));
}

TEST_F(sharing, a_device_that_keeps_up_for_a_while_takes_one_more) {
    auto all = join(4);
    pass_seconds(all, between_frames);
    all.front()->moved(false);
    EXPECT_FALSE(all.front()->wants_device());
    now_ += 61s;
    pass_seconds(all, between_frames / 4);
    EXPECT_TRUE(all.front()->wants_device());
}

TEST_F(sharing, who_gets_no_decoder_gives_its_place_up_and_may_ask_again) {
    auto all = join(4);
    pass_seconds(all, between_frames);
    all.front()->moved(false);
    all.pop_back();
    EXPECT_FALSE(made_for(all.front(), none));
    all.front()->give_up_place();
    EXPECT_TRUE(all.front()->wants_device());
    EXPECT_TRUE(share_.join(now_)->on_device());
}

TEST_F(sharing, when_a_source_of_a_full_device_ends_another_comes_back) {
    auto all = join(4);
    pass_seconds(all, between_frames);
    all.front()->moved(false);
    all.pop_back();
    ASSERT_TRUE(all.front()->wants_device());
    EXPECT_FALSE(made_for(all.front(), none));
    all.front()->moved(true);
    EXPECT_TRUE(all.front()->on_device());
    EXPECT_FALSE(share_.join(now_)->on_device());
}

TEST_F(sharing, a_decoder_is_made_in_the_background_and_handed_out_once) {
    auto all = join(2);
    pass_seconds(all, between_frames);
    all.front()->moved(false);
    all.pop_back();
    const auto made = made_for(all.front(), none);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message, "no room");
    EXPECT_FALSE(all.front()->take_prepared());
    const auto thrown = made_for(all.front(), []() -> result<decoder> { throw std::bad_alloc(); });
    ASSERT_FALSE(thrown);
    EXPECT_EQ(thrown.error().code, errc::out_of_memory);
}

TEST(sharing_by_threads, members_that_go_while_their_decoders_are_made_wait_for_them_or_are_forgotten) {
    std::atomic<int> begun{0}, ended{0};
    decoder_share share([](const std::string&) {}, 1, [] { return 0.1; });
    {
        std::vector<member> all;
        for (int i = 0; i < 8; ++i)
            all.push_back(share.join());
        EXPECT_TRUE(all.front()->on_device());
        all.erase(all.begin());
        for (const auto& m : all) {
            m->prepare([&]() -> result<decoder> {
                ++begun;
                std::this_thread::sleep_for(5ms);
                ++ended;
                return fail(errc::unavailable, "none");
            });
        }
    }
    EXPECT_EQ(begun, ended) << "nothing is being made once they are gone";
}

TEST_F(sharing, a_source_that_the_device_cannot_decode_does_not_count) {
    decoder_share share([this](const std::string& note) { notes_.push_back(note); }, 2);
    const auto first = share.join(), second = share.join();
    EXPECT_FALSE(share.join()->on_device());
    first->refuse("vp6f");
    EXPECT_FALSE(first->on_device());
    EXPECT_FALSE(first->wants_device());
    EXPECT_TRUE(share.join()->on_device());
    ASSERT_EQ(notes_.size(), 1u);
    EXPECT_NE(notes_[0].find("vp6f"), std::string::npos);
}

using bytes = std::vector<std::uint8_t>;

bytes with_length(unsigned prefix, const bytes& unit) {
    bytes all;
    for (unsigned i = prefix; i-- > 0;)
        all.push_back(static_cast<std::uint8_t>(unit.size() >> (8 * i)));
    for (const std::uint8_t b : unit)
        all.push_back(b);
    return all;
}
bytes joined(std::initializer_list<bytes> parts) {
    bytes all;
    for (const auto& p : parts)
        for (const std::uint8_t b : p)
            all.push_back(b);
    return all;
}

constexpr std::uint8_t sps = 0x67, idr = 0x65, slice = 0x41, sei = 0x06;
constexpr std::uint8_t hevc_sps = 33 << 1, hevc_idr = 19 << 1, hevc_cra = 21 << 1, hevc_trail = 1 << 1;
const bytes avcc{1, 100, 0, 31, 0xff};  // lengths of four bytes
const bytes avcc2{1, 100, 0, 31, 0xfd};

TEST(entry_packets, idr_pictures_of_h264_with_lengths_and_with_start_codes) {
    const bytes boxed = joined({with_length(4, {sei, 1, 2}), with_length(4, {idr, 9})});
    EXPECT_TRUE(is_entry_packet(AV_CODEC_ID_H264, avcc, boxed));
    EXPECT_TRUE(is_entry_packet(AV_CODEC_ID_H264, avcc2, joined({with_length(2, {sps, 1}), with_length(2, {idr})})));
    EXPECT_TRUE(is_entry_packet(AV_CODEC_ID_H264, {}, bytes{0, 0, 0, 1, sps, 3, 0, 0, 1, idr, 7}));
}

TEST(entry_packets, other_pictures_are_none_even_where_a_key_flag_would_say_so) {
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, avcc, with_length(4, {slice, 9})));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, {}, bytes{0, 0, 1, sps, 0, 0, 1, sei, 6, 0, 0, 1, slice, 7}));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_HEVC, {}, bytes{0, 0, 1, hevc_cra, 1, 0}));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_HEVC, {}, bytes{0, 0, 1, hevc_trail, 1, 0}));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_MPEG2VIDEO, {}, bytes{0, 0, 1, idr, 1}));
}

TEST(entry_packets, idr_pictures_of_hevc) {
    EXPECT_TRUE(is_entry_packet(AV_CODEC_ID_HEVC, {}, bytes{0, 0, 1, hevc_sps, 1, 0, 0, 1, hevc_idr, 1, 5}));
    bytes hvcc(23, 0);
    hvcc[0] = 1;
    hvcc[21] = 0xf3;
    EXPECT_TRUE(is_entry_packet(AV_CODEC_ID_HEVC, hvcc, with_length(4, {hevc_idr, 1})));
}

TEST(entry_packets, bytes_that_lie_about_their_length_are_none) {
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, avcc, bytes{0xff, 0xff, 0xff, 0xff, sps}));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, avcc, bytes{0, 0, 0}));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, avcc, bytes{0, 0, 0, 9}));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, avcc, bytes(64, 0)));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, {}, bytes{0, 0, 1}));
    EXPECT_FALSE(is_entry_packet(AV_CODEC_ID_H264, {}, bytes{}));
}

}  // namespace
}  // namespace faceflow::internal::media
