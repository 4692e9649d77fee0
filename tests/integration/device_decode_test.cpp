// SPDX-License-Identifier: Apache-2.0
// Frames that are decoded on the device: they never cross, and are the frames that cross otherwise.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "backends/back_end.hpp"
#include "backends/open_devices.hpp"
#include "engine/run.hpp"
#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "frame/layout.hpp"
#include "media/device_frames.hpp"
#include "media/hardware.hpp"
#include "vision/records.hpp"

namespace faceflow::internal {
namespace {

using test::demo;

class device_decode : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(demo)) GTEST_SKIP() << "assets/demo.mp4 is missing; tools/setup.sh makes it";
        request_.inputs = {test::quick_demo.string()};
        request_.chosen.detect_width = 320;
        request_.chosen.detect_height = 192;
        request_.video = false;
        request_.limit = 30;
        request_.chosen.device = "emulated";
        request_.chosen.link = "none";
        request_.chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
        request_.chosen.tuning.cache_ttl =
            60;  // a slow machine has frames in work for longer than the usual half second
        request_.decode = "gpu";
    }
    run_report run(const std::string& name) {
        request_.out = folder_ / name;
        auto done = faceflow::internal::run(request_, stop_, {});
        EXPECT_OK(done);
        return done ? *done : run_report{};
    }
    std::string faces(const std::string& name) const { return test::contents(folder_ / name / "faces.ndjson"); }

    run_request request_;
    test::temporary_folder folder_;
    const std::atomic<bool> stop_{false};
};

INSTANTIATE_TEST_SUITE_P(flows, device_decode, testing::Values("fused", "threaded"),
                         [](const auto& flow) { return flow.param; });

TEST_P(device_decode, no_frame_crosses_and_the_faces_are_the_same_bytes) {
    const auto decoded = run("gpu");
    const auto& s = *decoded.summary;
    EXPECT_EQ(s["frames"], 30);
    EXPECT_EQ(s["transfers"]["host_to_device"]["count"], 0);
    EXPECT_EQ(s["transfers"]["device_to_host"]["bytes"].get<std::size_t>(), 30 * vision::pass_results::bytes(1, 8));
    EXPECT_EQ(s["syncs"], 30);
    EXPECT_EQ(s["cache"]["hits"], 30);
    EXPECT_TRUE(s["errors"].empty()) << s["errors"];
    request_.decode = "cpu";
    const auto crossed = run("cpu");
    EXPECT_EQ((*crossed.summary)["transfers"]["host_to_device"]["count"], 30);
    EXPECT_EQ(faces("gpu"), faces("cpu"));
}

TEST_P(device_decode, without_the_cache_the_region_stage_takes_the_frame_as_it_lies) {
    request_.chosen.tuning.cache = false;
    const auto decoded = run("gpu");
    EXPECT_EQ((*decoded.summary)["transfers"]["host_to_device"]["count"], 0);
    EXPECT_EQ((*decoded.summary)["frames"], 30);
}

TEST_P(device_decode, sources_decode_on_the_devices_that_their_frames_go_to) {
    request_.inputs.assign(3, test::quick_demo.string());
    request_.limit = 10;
    request_.chosen.device = "emulated:2";
    const auto decoded = run("gpu");
    EXPECT_EQ((*decoded.summary)["frames"], 30);
    EXPECT_EQ((*decoded.summary)["transfers"]["host_to_device"]["count"], 0);
    EXPECT_TRUE((*decoded.summary)["errors"].empty()) << (*decoded.summary)["errors"];
}

TEST_P(device_decode, cached_frames_give_way_in_a_tight_pool_and_recorded_frames_wait) {
    request_.inputs = {demo.string()};  // whose frames are larger than what the pool holds besides
    request_.limit = 1;
    const auto one = run("one");
    request_.limit = 60;
    const auto roomy = run("roomy");
    // Without the slots of what the cache would hold.
    const auto need = (*one.summary)["device_memory"]["peak_bytes"].get<std::size_t>() + (20u << 20);
    ASSERT_LT(need, (*roomy.summary)["device_memory"]["peak_bytes"].get<std::size_t>());
    request_.chosen.device_memory = need;
    const auto tight = run("tight");
    const auto& s = *tight.summary;
    EXPECT_LE(s["device_memory"]["peak_bytes"].get<std::size_t>(), need);
    EXPECT_EQ(s["frames"], 60) << s.dump(1);
    EXPECT_EQ(faces("tight"), faces("roomy"));
}

TEST_P(device_decode, frames_that_are_drawn_on_come_down_once_they_have_their_faces) {
    request_.video = true;
    request_.chosen.verify_ledger = true;
    const auto drawn = run("drawn");
    const auto& s = *drawn.summary;
    EXPECT_EQ(s["frames"], 30);
    EXPECT_EQ(s["transfers"]["host_to_device"]["count"], 0);
    const std::size_t results = 30 * vision::pass_results::bytes(1, 8);
    const auto clip = media::open_source(request_.inputs.front(), {});
    ASSERT_OK(clip);
    const auto& about = (*clip)->info();
    const std::size_t frame = native_bytes(pixel_format::i420, about.width, about.height);
    EXPECT_EQ(s["transfers"]["device_to_host"]["bytes"].get<std::size_t>(), results + 30 * frame);
    EXPECT_TRUE(s["ledger_check"]["agrees"]) << s["ledger_check"];
    EXPECT_TRUE(s["errors"].empty()) << s["errors"];
    request_.decode = "cpu";
    run("crossed");
    EXPECT_EQ(faces("drawn"), faces("crossed"));
    EXPECT_EQ(test::contents(folder_ / "drawn/annotated.mp4"), test::contents(folder_ / "crossed/annotated.mp4"))
        << "the same pixels were drawn on";
}

TEST_P(device_decode, pictures_come_in_host_memory_all_the_same) {
    request_.inputs = {(std::filesystem::path(FACEFLOW_TEST_DATA) / "goldens/crop0.png").string()};
    const auto done = run("picture");
    EXPECT_EQ((*done.summary)["frames"], 1);
    EXPECT_EQ((*done.summary)["transfers"]["host_to_device"]["count"], 1);
}

class device_frames_test : public testing::Test {
protected:
    void SetUp() override {
        auto devices = open_devices({"emulated:2", std::size_t{16} << 20, "none"});
        ASSERT_OK(devices);
        devices_ = std::move(*devices);
    }
    static result<std::shared_ptr<const frame>> grey(media::device_frames& from, std::uint8_t value) {
        image facts{.format = pixel_format::gray8, .width = 64, .height = 64};
        return from.produce(facts, {0, 0}, [&](std::byte* slot) -> result<void> {
            stream& by = from.work();
            by.run([to = by.owner().kernel_address(slot), value]() -> result<void> {
                std::memset(to, value, std::size_t{64} * 64);
                return {};
            });
            return {};
        });
    }

    std::vector<std::unique_ptr<device>> devices_;
};

TEST_F(device_frames_test, frames_outlive_their_source) {
    std::shared_ptr<const frame> kept;
    {
        auto frames = media::device_frames::create(*devices_[0]);
        ASSERT_OK(frames);
        auto made = grey(**frames, 77);
        ASSERT_OK(made);
        kept = *made;
    }
    auto s = devices_[0]->make_stream("reader").value();
    const auto done = devices_[0]->make_event().value();
    use(*s, *kept);
    std::uint8_t seen = 0;
    auto* at = const_cast<std::byte*>(reinterpret_cast<const std::byte*>(kept->picture.planes[0].data));
    s->run([&seen, from = devices_[0]->kernel_address(at)]() -> result<void> {
        seen = std::to_integer<std::uint8_t>(from[4095]);
        return {};
    });
    ASSERT_OK(synchronise(*s, *done, {stage::detect, {}}));
    EXPECT_EQ(seen, 77);
    kept = nullptr;
    EXPECT_EQ(devices_[0]->pool().used_bytes(), 0u) << "its slots went with it";
}

TEST_F(device_frames_test, a_frame_of_another_device_is_refused) {
    auto frames = media::device_frames::create(*devices_[0]);
    ASSERT_OK(frames);
    auto made = grey(**frames, 1);
    ASSERT_OK(made);
    frame_store elsewhere(*devices_[1], {});
    const auto s = devices_[1]->make_stream("other").value();
    host_frame f;
    f.picture = (*made)->picture;
    f.on_device = *made;
    const auto taken = elsewhere.upload(*s, f, stage::capture);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, errc::internal);
}

TEST_F(device_frames_test, the_cpu_has_no_decoder_of_its_own) {
    auto cpu = open_devices({"cpu", std::size_t{16} << 20, "none"});
    ASSERT_OK(cpu);
    EXPECT_EQ(back_end_of(*cpu->front()).open_decoder, nullptr);
}

}  // namespace
}  // namespace faceflow::internal
