// SPDX-License-Identifier: Apache-2.0
// Graphs: what a stream captures, and what launching that does. The work is the stages' own kernels, which every device has.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "backends/back_end.hpp"
#include "devices.hpp"
#include "vision/kernels.hpp"

namespace faceflow::internal {
namespace {

using test::host_memory;

constexpr std::int32_t size = 32;
constexpr std::size_t picture_bytes = std::size_t{3} * size * size;
constexpr std::size_t input_bytes = picture_bytes * sizeof(float);

class graph_conformance : public test::device_conformance {
protected:
    void SetUp() override {
        device_conformance::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        stream_ = new_stream();
        work_ = make_kernels(on());
        picture_ = memory(picture_bytes);
        input_ = memory(input_bytes);
    }
    // Every byte of the picture.
    void set_picture(int grey) {
        const host_memory staging(on(), picture_bytes, true);
        staging.fill(grey);
        ASSERT_OK(transfer(*stream_, direction::host_to_device, picture_.data(), staging.block(), picture_bytes, at_));
        ASSERT_OK(finish(*stream_));
    }
    // What the letterbox has made of it; the same everywhere.
    float input() {
        const host_memory staging(on(), input_bytes, true);
        EXPECT_OK(transfer(*stream_, direction::device_to_host, input_.data(), staging.block(), input_bytes, at_));
        EXPECT_OK(finish(*stream_));
        std::vector<float> values(picture_bytes);
        std::memcpy(values.data(), staging.data(), input_bytes);
        EXPECT_EQ(*std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end()));
        return values.front();
    }
    result<void> letterbox() { return letterbox(picture_); }
    result<void> letterbox(const device_buffer& picture) {
        image view{.format = pixel_format::bgr24, .width = size, .height = size};
        view.planes[0] = {reinterpret_cast<const std::uint8_t*>(picture.data()), 3 * size};
        const vision::letterbox fit = vision::fit(size, size, size, size);
        work_->letterbox(*stream_, {&view, 1}, {&fit, 1}, vision::planes(input_.as<float>(), size, size, 255));
        return {};
    }
    result<std::unique_ptr<graph>> captured() {
        return stream_->capture([this] { return letterbox(); });
    }

    std::unique_ptr<stream> stream_;
    std::unique_ptr<vision::kernels> work_;
    device_buffer picture_, input_;
};

std::vector<test::device_kind_under_test> devices_with_graphs() {
    auto all = test::every_device();
    std::erase_if(all, [](const auto& d) { return d.label == "cpu"; });
    return all;
}

INSTANTIATE_TEST_SUITE_P(every, graph_conformance, testing::ValuesIn(devices_with_graphs()),
                         [](const auto& chosen) { return chosen.param.label; });

TEST_P(graph_conformance, capturing_runs_nothing) {
    set_picture(0);
    ASSERT_OK(letterbox());
    ASSERT_NEAR(input(), 0, 0.01f);
    set_picture(200);
    const auto g = captured();
    ASSERT_OK(g);
    EXPECT_NEAR(input(), 0, 0.01f) << "the captured kernel must not have run";
    EXPECT_FALSE(stream_->capturing());
}

TEST_P(graph_conformance, each_launch_does_the_work_anew_on_what_then_lies_there) {
    const auto g = captured();
    ASSERT_OK(g);
    for (const int grey : {10, 90, 250}) {
        set_picture(grey);
        stream_->launch(**g);
        EXPECT_NEAR(input(), static_cast<float>(grey), 0.01f);
    }
}

TEST_P(graph_conformance, launches_keep_their_place_among_other_work) {
    const auto g = captured();
    ASSERT_OK(g);
    const host_memory first(on(), picture_bytes, true), second(on(), picture_bytes, true),
        seen(on(), input_bytes, true);
    first.fill(40);
    second.fill(80);
    ASSERT_OK(transfer(*stream_, direction::host_to_device, picture_.data(), first.block(), picture_bytes, at_));
    stream_->launch(**g);
    ASSERT_OK(transfer(*stream_, direction::device_to_host, input_.data(), seen.block(), input_bytes, at_));
    ASSERT_OK(transfer(*stream_, direction::host_to_device, picture_.data(), second.block(), picture_bytes, at_));
    stream_->launch(**g);
    EXPECT_NEAR(input(), 80, 0.01f);
    float value = 0;
    std::memcpy(&value, seen.data(), sizeof value);
    EXPECT_NEAR(value, 40, 0.01f);
}

// What differs from launch to launch: where the picture lies, and where the bytes go.
TEST_P(graph_conformance, a_launch_takes_what_is_different_now) {
    const auto other = memory(picture_bytes);
    const host_memory staging(on(), picture_bytes, true);
    const auto fill = [&](const device_buffer& picture, int grey) {
        staging.fill(grey);
        ASSERT_OK(transfer(*stream_, direction::host_to_device, picture.data(), staging.block(), picture_bytes, at_));
        ASSERT_OK(finish(*stream_));
    };
    fill(picture_, 20);
    fill(other, 220);
    const auto g = captured();
    ASSERT_OK(g);
    const auto launch_with = [&](const device_buffer& picture) {
        stream_->launch(**g, [&] { return letterbox(picture); });
    };
    launch_with(other);
    EXPECT_NEAR(input(), 220, 0.01f);
    launch_with(picture_);
    EXPECT_NEAR(input(), 20, 0.01f);
}

TEST_P(graph_conformance, transfers_of_a_graph_enter_the_ledger_when_they_are_launched) {
    const host_memory first(on(), input_bytes, true), second(on(), input_bytes, true);
    set_picture(70);
    const auto before = on().book().transfers(direction::device_to_host);
    const auto work = [&](const host_memory& to, std::size_t bytes) {
        return letterbox().and_then([&, bytes] {
            return transfer(*stream_, direction::device_to_host, input_.data(), to.block(), bytes, at_);
        });
    };
    const auto g = stream_->capture([&] { return work(first, input_bytes); });
    ASSERT_OK(g);
    EXPECT_EQ(on().book().transfers(direction::device_to_host).count, before.count) << "nothing crossed yet";
    stream_->launch(**g, [&] { return work(second, input_bytes / 2); });
    ASSERT_OK(finish(*stream_));
    const auto after = on().book().transfers(direction::device_to_host);
    EXPECT_EQ(after.count - before.count, 1u);
    EXPECT_EQ(after.bytes - before.bytes, input_bytes / 2);
    float value = 0;
    std::memcpy(&value, second.data(), sizeof value);
    EXPECT_NEAR(value, 70, 0.01f);
    // As it was captured, nobody would count it.
    stream_->launch(**g);
    EXPECT_FALSE(finish(*stream_));
    EXPECT_EQ(on().book().transfers(direction::device_to_host).count, after.count);
}

TEST_P(graph_conformance, a_transfer_of_pageable_memory_is_refused_and_not_counted) {
    const host_memory staging(on(), picture_bytes, false);
    const auto g = stream_->capture([&] {
        return transfer(*stream_, direction::host_to_device, picture_.data(), staging.block(), picture_bytes, at_);
    });
    ASSERT_FALSE(g);
    EXPECT_EQ(g.error().code, errc::unsupported);
    EXPECT_EQ(on().book().transfers(direction::host_to_device).count, 0u);
    set_picture(30);  // the stream goes on
    ASSERT_OK(letterbox());
    EXPECT_NEAR(input(), 30, 0.01f);
}

// Spans of a graph are told at each launch, of work that ran then.
TEST_P(graph_conformance, spans_of_a_graph_are_told_at_each_launch) {
    std::atomic<int> told{0};
    const auto work = [&] {
        stream_->begin_span();
        auto done = letterbox();
        stream_->end_span([&told](auto begin, auto end) { told += begin <= end ? 1 : 100; });
        return done;
    };
    const auto g = stream_->capture(work);
    ASSERT_OK(g);
    for (int launched = 1; launched <= 3; ++launched) {
        stream_->launch(**g, work);
        ASSERT_OK(finish(*stream_));
        EXPECT_EQ(told, launched);
    }
}

TEST_P(graph_conformance, an_error_of_what_is_captured_is_the_captures_and_not_the_streams) {
    const auto g = stream_->capture([]() -> result<void> { return fail(errc::corrupt, "broken"); });
    ASSERT_FALSE(g);
    EXPECT_EQ(g.error().code, errc::corrupt);
    set_picture(60);
    ASSERT_OK(letterbox());
    EXPECT_NEAR(input(), 60, 0.01f);
}

TEST_P(graph_conformance, a_failed_stream_captures_nothing_and_says_so) {
    stream_->enqueue([]() -> result<void> { return fail(errc::corrupt, "broken"); });
    // Where work runs behind the caller's back, until it has failed.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto g = captured();
    while (g && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        g = captured();
    }
    ASSERT_FALSE(g);
    EXPECT_EQ(g.error().code, errc::interrupted);
    EXPECT_FALSE(finish(*stream_));
    EXPECT_OK(captured());
}

// What other threads record, such as the end of a slot's use, is no part of the graph.
TEST_P(graph_conformance, an_event_that_another_thread_records_meanwhile_is_reached_once_for_all) {
    const auto recorded = new_event();
    std::thread other;
    const auto g = stream_->capture([&] {
        other = std::thread([&] { stream_->record(*recorded); });
        return letterbox();
    });
    ASSERT_OK(g);
    other.join();
    ASSERT_OK(finish(*stream_));
    EXPECT_TRUE(recorded->done());
    stream_->launch(**g);
    ASSERT_OK(finish(*stream_));
    EXPECT_TRUE(recorded->done());
}

TEST(graphs, are_not_for_the_cpu) {
    const auto devices = open_devices({"cpu", test::cap_under_test, "none"});
    ASSERT_OK(devices);
    const auto s = devices->front()->make_stream("test");
    ASSERT_OK(s);
    bool called = false;
    const auto g = (*s)->capture([&]() -> result<void> {
        called = true;
        return {};
    });
    ASSERT_FALSE(g);
    EXPECT_EQ(g.error().code, errc::unsupported);
    EXPECT_FALSE(called);
}

}  // namespace
}  // namespace faceflow::internal
