// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "cli/config.hpp"
#include "core/nearest.hpp"
#include "core/queue.hpp"
#include "device/cpu/cpu_device.hpp"
#include "frame/layout.hpp"
#include "inference/catalogue.hpp"
#include "support.hpp"
#include "telemetry/histogram.hpp"

namespace faceflow::internal {
namespace {

TEST(bounded_queue, latest_makes_room_by_dropping_the_oldest) {
    bounded_queue<int> q(2, queue_policy::latest);
    std::optional<int> replaced;
    EXPECT_EQ(q.push(1), push_outcome::queued);
    EXPECT_EQ(q.push(2), push_outcome::queued);
    EXPECT_EQ(q.push(3, &replaced), push_outcome::replaced_oldest);
    EXPECT_EQ(replaced, 1);
    EXPECT_EQ(q.pop(), 2);
    EXPECT_EQ(q.pop(), 3);
}

TEST(bounded_queue, fifo_refuses_what_does_not_fit) {
    bounded_queue<int> q(1, queue_policy::fifo);
    EXPECT_EQ(q.push(1), push_outcome::queued);
    EXPECT_EQ(q.push(2), push_outcome::refused);
    EXPECT_EQ(q.pop(), 1);
}

TEST(bounded_queue, block_waits_and_loses_nothing_between_many_threads) {
    bounded_queue<int> q(3, queue_policy::block);
    constexpr int each = 5000;
    std::atomic<long> sum{0}, taken{0};
    std::vector<std::thread> threads;
    for (int p = 0; p < 3; ++p) {
        threads.emplace_back([&] {
            for (int i = 1; i <= each; ++i)
                q.push(i);
        });
    }
    std::vector<std::thread> consumers;
    for (int c = 0; c < 3; ++c) {
        consumers.emplace_back([&] {
            while (auto v = q.pop()) {
                sum += *v;
                ++taken;
            }
        });
    }
    for (auto& t : threads)
        t.join();
    q.close();
    for (auto& t : consumers)
        t.join();
    EXPECT_EQ(taken, 3 * each);
    EXPECT_EQ(sum, 3L * each * (each + 1) / 2);
}

TEST(bounded_queue, closing_wakes_waiters_and_drains_what_is_left) {
    bounded_queue<int> q(1, queue_policy::block);
    q.push(7);
    std::thread producer([&] { EXPECT_EQ(q.push(8), push_outcome::closed); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    q.close();
    producer.join();
    EXPECT_EQ(q.pop(), 7);
    EXPECT_EQ(q.pop(), std::nullopt);
}

TEST(histogram, quantiles_are_exact_to_a_32nd) {
    histogram h;
    for (int i = 1; i <= 10000; ++i)
        h.record(std::chrono::microseconds(i));
    EXPECT_NEAR(h.quantile_ms(0.5), 5.0, 5.0 / 32);
    EXPECT_NEAR(h.quantile_ms(0.99), 9.9, 9.9 / 32);
    EXPECT_NEAR(h.mean_ms(), 5.0005, 1e-3);
    EXPECT_EQ(histogram().quantile_ms(0.5), 0);
}

TEST(nearest_word, finds_typing_errors_and_leaves_strangers_alone) {
    const std::vector<std::string> words{"detect-every", "detector", "device"};
    EXPECT_EQ(nearest("detect-evry", words), "detect-every");
    EXPECT_EQ(nearest("devcie", words), "device");
    EXPECT_EQ(nearest("banana", words), "");
}

TEST(configuration, becomes_arguments) {
    const std::vector<std::string> keys{"out", "smooth", "format", "limit", "min-score"};
    const auto args = cli::config_arguments(
        "out = 'a b'\nsmooth = false\nformat = ['ndjson','csv']\nlimit = 5\nmin-score = 0.25\n", keys);
    ASSERT_OK(args);
    EXPECT_EQ(*args, (std::vector<std::string>{"--format=ndjson,csv", "--limit=5", "--min-score=0.25", "--out=a b",
                                               "--no-smooth"}));
}

TEST(configuration, names_an_unknown_key_its_line_and_the_nearest_match) {
    const std::vector<std::string> keys{"detect-every"};
    const auto args = cli::config_arguments("\ndetect-evry = 2\n", keys);
    ASSERT_FALSE(args);
    EXPECT_EQ(args.error().message, "line 2: unknown key 'detect-evry'; did you mean 'detect-every'?");
}

TEST(configuration, refuses_tables_and_broken_toml) {
    const std::vector<std::string> keys{"out"};
    EXPECT_FALSE(cli::config_arguments("[out]\nx = 1\n", keys));
    const auto broken = cli::config_arguments("out = \n", keys);
    ASSERT_FALSE(broken);
    EXPECT_NE(broken.error().message.find("line 1"), std::string::npos);
}

constexpr const char* good_entry =
    "[m]\nfile='m.onnx'\nrole='detector'\nwhat='w'\nsource='s'\nlicence='l'\n"
    "sha256='0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'\n"
    "graph={input='data', size=128, scale=2, bias=-1.5, strides=[8, 16], outputs={scores='s{stride}', boxes='b'}}\n";

TEST(model_catalogue, parses_entries) {
    const auto entries = inference::parse_catalogue(good_entry);
    ASSERT_OK(entries);
    ASSERT_EQ(entries->size(), 1u);
    EXPECT_EQ(entries->front().id, "m");
    EXPECT_EQ(entries->front().file, "m.onnx");
    const inference::model_graph& graph = entries->front().graph;
    EXPECT_EQ(graph.input, "data");
    EXPECT_EQ(graph.size, 128);
    EXPECT_EQ(graph.scale, 2.0F);
    EXPECT_EQ(graph.bias, -1.5F);
    EXPECT_EQ(graph.strides, (std::vector<std::int32_t>{8, 16}));
    EXPECT_EQ(graph.output("scores", 16), "s16");
    EXPECT_EQ(graph.output("boxes", 16), "b");
    EXPECT_EQ(graph.output("keypoints"), "");
}

TEST(model_catalogue, refuses_models_that_cannot_be_what_their_role_says) {
    const auto said = [](const std::string& what, const std::string& instead) {
        std::string text = good_entry;
        const auto entries = inference::parse_catalogue(text.replace(text.find(what), what.size(), instead));
        return entries ? "nothing" : entries.error().message;
    };
    EXPECT_EQ(said("detector", "painter"),
              "model catalogue: [m] role must be detector, landmarks or blendshapes, not 'painter'");
    EXPECT_EQ(said("detector", "landmarks"),
              "model catalogue: [m.graph] needs a name for outputs.landmarks: a mesh gives them");
    EXPECT_EQ(said("boxes=", "boxen="),
              "model catalogue: [m.graph] needs a name for outputs.boxes: a detector gives them");
    EXPECT_EQ(said("'data'", "''"), "model catalogue: [m.graph] needs the name of its input");
    EXPECT_EQ(said("[8, 16]", "[]"), "model catalogue: [m.graph] needs strides: a detector has cells");
    EXPECT_EQ(said("[8, 16]", "[8, 0]"), "model catalogue: [m.graph] strides must be 1 to 256");
    EXPECT_EQ(said("[8, 16]", "[8, 16, 32, 64]"), "model catalogue: [m.graph] strides must be a list of 3 at most");
    EXPECT_EQ(said("=128", "=-1"), "model catalogue: [m.graph] size must be 1 to 4096");
    EXPECT_EQ(said("scale=2", "scale=nan"), "model catalogue: [m.graph] scale must be a number");
    EXPECT_EQ(said("scale=2", "colour=2"), "model catalogue: [m.graph] has an unknown key 'colour'");
    EXPECT_EQ(said("graph=", "other="), "model catalogue: [m] has an unknown key 'other'");
}

TEST(model_catalogue, refuses_missing_keys_bad_checksums_and_paths) {
    EXPECT_FALSE(inference::parse_catalogue("[m]\nfile='m.onnx'\n"));
    std::string text = good_entry;
    EXPECT_FALSE(inference::parse_catalogue(text + "colour='red'\n"));
    EXPECT_FALSE(inference::parse_catalogue(std::string(text).replace(text.find("0123"), 4, "zzzz")));
    EXPECT_FALSE(inference::parse_catalogue(std::string(text).replace(text.find("m.onnx"), 6, "../m.o")));
    EXPECT_FALSE(inference::parse_catalogue("not toml ["));
}

TEST(picture_check, refuses_what_could_not_be_read_safely) {
    auto p = test::random_picture(pixel_format::i420, 16, 16, 1);
    EXPECT_OK(check(p.view));
    auto bad = p.view;
    bad.planes[2].data = nullptr;
    EXPECT_FALSE(check(bad));
    bad = p.view;
    bad.planes[1].stride = 7;
    EXPECT_FALSE(check(bad));
    bad = p.view;
    bad.width = 20000;
    EXPECT_FALSE(check(bad));
    bad = p.view;
    bad.format = pixel_format::none;
    EXPECT_FALSE(check(bad));
}

TEST(native_size, is_what_the_format_holds) {
    EXPECT_EQ(native_bytes(pixel_format::i420, 1920, 1080), 3110400u);
    EXPECT_EQ(native_bytes(pixel_format::nv12, 1920, 1080), 3110400u);
    EXPECT_EQ(native_bytes(pixel_format::bgr24, 1920, 1080), 6220800u);
    EXPECT_EQ(native_bytes(pixel_format::i420, 641, 363), 641u * 363 + 2 * 321 * 182);
    EXPECT_EQ(native_bytes(pixel_format::pal8, 10, 10), 100u + 1024);
}

TEST(device_pool, never_passes_its_cap_and_remembers_the_peak) {
    const auto cpu = make_cpu_device(1 << 20);
    capped_resource& pool = cpu->pool();
    {
        auto a = device_buffer::allocate(pool, 600 << 10);
        ASSERT_OK(a);
        const auto b = device_buffer::allocate(pool, 600 << 10);
        ASSERT_FALSE(b);
        EXPECT_EQ(b.error().code, errc::out_of_memory);
        EXPECT_NE(b.error().message.find("--device-memory"), std::string::npos);
        EXPECT_EQ(pool.used_bytes(), 600u << 10);
    }
    EXPECT_EQ(pool.used_bytes(), 0u);
    EXPECT_EQ(pool.peak_bytes(), 600u << 10);
}

}  // namespace
}  // namespace faceflow::internal
