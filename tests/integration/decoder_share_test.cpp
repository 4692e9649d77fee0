// SPDX-License-Identifier: Apache-2.0
// A source that begins on the CPU and goes over to its device's decoder: no frame is lost or changed on the way.
#include <gtest/gtest.h>

#include <thread>

#include "backends/back_end.hpp"
#include "backends/open_devices.hpp"
#include "frame/downloader.hpp"
#include "frame/layout.hpp"
#include "media/decoder.hpp"
#include "media/decoder_share.hpp"
#include "media_testing.hpp"
#include "support.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

struct input {
    std::string name, arguments;
};

const std::vector<input> inputs{
    {"b_frames.mp4", "-c:v libx264 -g 10 -bf 2"},
    {"transport.ts", "-c:v libx264 -g 10 -bf 2"},
    {"hevc.mp4", "-c:v libx265 -x265-params keyint=10:open-gop=0:log-level=none"},
    {"matroska.mkv", "-c:v libx264 -g 10 -bf 0"},
};

std::string made(const input& i) {
    return make("share_" + i.name, "-f lavfi -i testsrc2=s=160x120:r=25:d=2 -pix_fmt yuv420p " + i.arguments);
}

class going_over : public testing::TestWithParam<input> {
protected:
    void SetUp() override {
        auto devices = open_devices({"emulated", std::size_t{64} << 20, "none"});
        ASSERT_OK(devices);
        devices_ = std::move(*devices);
        auto down = downloader::create(*devices_.front());
        ASSERT_OK(down);
        down_.emplace(std::move(*down));
    }

    std::string pixels(const host_frame& f) {
        image picture = f.picture;
        if (f.on_device) {
            auto fetched = down_->fetch(*f.on_device, stage::sink);
            EXPECT_OK(fetched);
            picture = *fetched;
        }
        std::string packed(native_bytes(picture.format, picture.width, picture.height), '\0');
        pack(picture, reinterpret_cast<std::byte*>(packed.data()));
        return packed;
    }

    std::vector<std::unique_ptr<device>> devices_;
    std::optional<downloader> down_;
};

INSTANTIATE_TEST_SUITE_P(media, going_over, testing::ValuesIn(inputs),
                         [](const auto& i) { return i.param.name.substr(0, i.param.name.find('.')); });

TEST_P(going_over, every_frame_comes_once_and_as_it_is) {
    const std::string path = made(GetParam());
    const auto plain = read_all(*open_or_fail(path));
    ASSERT_EQ(plain.frames.size(), 50u);
    std::vector<std::string> notes;
    decoder_share share([&](const std::string& n) { notes.push_back(n); }, 1);
    auto before = share.join();  // takes the only place
    source_options o;
    o.decode_on = devices_.front().get();
    o.open_hardware = back_end_of(*o.decode_on).open_decoder;
    o.share = &share;
    o.realtime = true;
    const auto source = open_or_fail(path, o);
    before = nullptr;
    std::size_t in_host_memory = 0, on_device = 0;
    for (const auto& wanted : plain.frames) {
        auto next = source->next();
        ASSERT_OK(next);
        ASSERT_TRUE(*next);
        const host_frame& f = (*next)->frame;
        EXPECT_EQ(f.id.sequence, wanted.frame.id.sequence);
        EXPECT_EQ(f.pts_ns, wanted.frame.pts_ns);
        EXPECT_EQ(pixels(f), pixels(wanted.frame)) << f.id.sequence;
        f.on_device ? ++on_device : ++in_host_memory;
        EXPECT_TRUE(f.on_device || on_device == 0) << "it does not come back";
    }
    auto end = source->next();
    ASSERT_OK(end);
    EXPECT_FALSE(*end);
    EXPECT_GE(in_host_memory, 10u) << "the first group of pictures";
    EXPECT_GT(on_device, 0u);
    EXPECT_EQ(source->survived().at("decoded_on_cpu"), in_host_memory);
    EXPECT_TRUE(notes.empty()) << notes.front();
}

TEST_P(going_over, a_start_further_on_is_found_from_either_place) {
    const std::string path = made(GetParam());
    source_options o;
    o.start_seconds = 1.5;
    const auto plain = read_all(*open_or_fail(path, o));
    decoder_share share([](const std::string&) {}, 1);
    auto before = share.join();
    o.realtime = true;
    o.decode_on = devices_.front().get();
    o.open_hardware = back_end_of(*o.decode_on).open_decoder;
    o.share = &share;
    const auto source = open_or_fail(path, o);
    before = nullptr;
    const auto shared = read_all(*source);
    ASSERT_EQ(shared.frames.size(), plain.frames.size());
    for (std::size_t i = 0; i < plain.frames.size(); ++i)
        EXPECT_EQ(shared.frames[i].frame.pts_ns, plain.frames[i].frame.pts_ns);
}

// A decoder by itself, which goes there and back at every tenth frame.
TEST_P(going_over, and_back_again_any_number_of_times) {
    auto opened = [&] {
        AVFormatContext* context = nullptr;
        EXPECT_EQ(avformat_open_input(&context, made(GetParam()).c_str(), nullptr, nullptr), 0);
        EXPECT_GE(avformat_find_stream_info(context, nullptr), 0);
        return input_ptr(context);
    }();
    const AVStream& video = *opened->streams[0];
    const auto by = devices_.front()->make_stream("decode").value();
    const auto on = back_end_of(*devices_.front()).open_decoder(*by);
    ASSERT_OK(on);
    const auto open = [&](const hardware* where) {
        auto made = decoder::open(*video.codecpar, video.time_base, {.threads = 2}, where);
        EXPECT_OK(made);
        return std::move(*made);
    };
    decoder d = open(nullptr);
    const auto packets = [&](AVPacket& packet) { return av_read_frame(opened.get(), &packet); };
    std::vector<bool> places;
    std::int64_t last = AV_NOPTS_VALUE;
    for (;;) {
        auto frame = d.next(packets);
        ASSERT_OK(frame);
        if (!*frame) break;
        EXPECT_GT((*frame)->best_effort_timestamp, last) << "in order";
        last = (*frame)->best_effort_timestamp;
        places.push_back(d.on() != nullptr);
        if (places.size() % 10 == 5) d.hand_over(open(d.on() == nullptr ? on->get() : nullptr));
    }
    EXPECT_EQ(d.ended_with(), AVERROR_EOF);
    EXPECT_EQ(d.take_corrupt(), 0u);
    ASSERT_EQ(places.size(), 50u);
    for (std::size_t i = 0; i < places.size(); ++i)
        EXPECT_EQ(places[i], i / 10 % 2 == 1) << i << ": the groups of pictures take turns";
}

}  // namespace
}  // namespace faceflow::internal::media
