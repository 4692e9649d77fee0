// SPDX-License-Identifier: Apache-2.0
// A long run through the real input queue, frame store, streams, result reader and reorder buffer of an emulated device, with random
// delays and sizes in place of models: memory stays flat, every lease comes home, nothing passes out of order.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "backends/open_devices.hpp"
#include "flow/io/input_queue.hpp"
#include "flow/io/reorder_buffer.hpp"
#include "flow/stages/result_reader.hpp"
#include "frame/frame_store.hpp"
#include "frame/layout.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

using namespace flow;

// 100 000 frames; FACEFLOW_SOAK_FRAMES sets another number (sanitizer builds take a tenth).
std::uint64_t frames_to_run() {
    if (const char* n = std::getenv("FACEFLOW_SOAK_FRAMES")) return std::strtoull(n, nullptr, 10);
    return test::sanitized ? 10'000 : 100'000;
}

constexpr std::uint32_t sources = 3;
constexpr std::size_t lanes = 2;
constexpr std::size_t cap = 3u << 20, cached = 256u << 10;  // the cache is full soon, whatever the frames a second

host_frame synthetic(std::uint32_t source, std::uint64_t sequence, const std::vector<test::owned_picture>& sizes,
                     std::mt19937& random) {
    host_frame f;
    f.id = {source, sequence};
    f.pts_ns = static_cast<std::int64_t>(sequence) * 1000 + source;
    // Sizes change mid-stream, now and then.
    f.picture = sizes[(sequence / 500 + source + (random() % 50 == 0 ? 1 : 0)) % sizes.size()].view;
    return f;
}

// One lane's pass: upload, two "stages" of random length that read the frame, results of a random number of faces down.
class pretend_lane {
public:
    pretend_lane(device& on, frame_store& store, std::uint32_t seed) : store_(store), random_(seed) {
        stream_ = *on.make_stream("lane");
        results_ = *device_buffer::allocate(on.pool(), vision::pass_results::bytes(1, 16));
        reader_ = std::make_unique<result_reader>(*result_reader::create(on, vision::pass_results::bytes(1, 17), true));
    }

    result<frame_faces> pass(const host_frame& from) {
        auto uploaded = store_.upload(*stream_, from, stage::capture);
        if (!uploaded) return tl::unexpected(uploaded.error());
        const std::uint8_t expected = from.picture.planes[0].data[0];
        std::atomic<int> mismatches{0};
        look(*uploaded, expected, mismatches);
        auto found = store_.find(*stream_, from, stage::region);
        if (!found) return tl::unexpected(found.error());
        look(*found, expected, mismatches);
        const auto faces = static_cast<std::int32_t>(random_() % 17);
        auto* block = reinterpret_cast<vision::result_header*>(stream_->owner().kernel_address(results_.data()));
        stream_->run([block, faces]() -> result<void> {
            block->count = block->filled = faces;
            return {};
        });
        auto read = reader_->read(*stream_, {results_.as<vision::result_header>(), 1}, std::max(faces, 1),
                                  {stage::landmark, from.id});
        if (!read) return tl::unexpected(read.error());
        EXPECT_EQ(read->headers[0].count, faces);
        EXPECT_EQ(mismatches, 0) << "a slot was reused while a stage still read it";
        return frame_faces{from.id, from.pts_ns, from.picture.width, from.picture.height, {}};
    }

private:
    void look(const frame& f, std::uint8_t expected, std::atomic<int>& mismatches) {
        auto* bytes = reinterpret_cast<std::uint8_t*>(stream_->owner().kernel_address(
            reinterpret_cast<std::byte*>(const_cast<std::uint8_t*>(f.picture.planes[0].data))));
        const int delay = static_cast<int>(random_() % 200);
        stream_->run([bytes, expected, delay, &mismatches]() -> result<void> {
            if (delay > 190) std::this_thread::sleep_for(std::chrono::microseconds(delay));
            if (bytes[0] != expected) ++mismatches;
            return {};
        });
    }

    frame_store& store_;
    std::mt19937 random_;
    device_buffer results_;
    std::unique_ptr<result_reader> reader_;
    std::unique_ptr<stream> stream_;
};

// Slots of each size for a cache that is full of it and for the frames in work (of each lane one, one before it that the device has
// not passed, one that is packed), in whole slabs; and the lanes' results.
std::size_t max_bytes(const std::vector<test::owned_picture>& sizes) {
    std::size_t sum = lanes * capped_resource::counted(vision::pass_results::bytes(1, 16));
    for (const auto& p : sizes) {
        const std::size_t bytes = capped_resource::counted(native_bytes(p.view.format, p.view.width, p.view.height));
        const std::size_t slots = cached / bytes + 1 + 3 * lanes, grows_by = frame_store::slots_of_slab(bytes, false);
        sum += (slots + grows_by - 1) / grows_by * grows_by * bytes;
    }
    return sum;
}

TEST(soak, memory_stays_flat_and_every_lease_comes_home) {
    auto devices = open_devices({"emulated", cap, "none"});
    ASSERT_OK(devices);
    device& on = *devices->front();
    std::vector<test::owned_picture> sizes;
    for (const auto& [w, h] : {std::pair{64, 48}, {160, 120}, {33, 17}, {128, 128}})
        sizes.push_back(test::random_picture(pixel_format::i420, w, h, 5));

    const std::uint64_t total = frames_to_run();
    std::map<std::uint32_t, std::int64_t> last;
    std::uint64_t delivered = 0, shed = 0, out_of_order = 0;
    std::size_t after_warm_up = 0;
    {
        frame_store store(
            on, {.time_to_live = std::chrono::milliseconds(5), .cache_bytes = cached, .uploads_in_flight = 4 * lanes});
        source_routes routes(1);
        input_queue in({.frames_in_flight = 2 * lanes}, routes);
        reorder_buffer out(
            [&](outcome&& o) {
                auto& before = last.try_emplace(o.frame.id.source, -1).first->second;
                if (static_cast<std::int64_t>(o.frame.id.sequence) <= before) ++out_of_order;
                before = static_cast<std::int64_t>(o.frame.id.sequence);
                o.faces ? ++delivered : ++shed;
                if (!o.faces) {
                    EXPECT_EQ(o.faces.error().code, errc::out_of_memory) << o.faces.error().message;
                }
                if (delivered + shed == total / 2) after_warm_up = on.pool().peak_bytes();
            },
            [&](std::size_t device) { in.done(device); }, [](const error& e) { ADD_FAILURE() << e.message; });
        ASSERT_OK(out.start());
        std::vector<std::unique_ptr<pretend_lane>> workers;
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < lanes; ++i) {
            workers.push_back(std::make_unique<pretend_lane>(on, store, static_cast<std::uint32_t>(i)));
            threads.emplace_back([&, lane = workers.back().get()] {
                for (auto taken = in.take({0}); !taken.empty(); taken = in.take({0})) {
                    queued_frame& next = taken.front();
                    auto faces = lane->pass(next.frame);
                    out.put(next.order, next.index, next.device, {std::move(next.frame), std::move(faces)});
                }
            });
        }
        std::vector<std::thread> cameras;
        for (std::uint32_t s = 0; s < sources; ++s) {
            cameras.emplace_back([&, s] {
                std::mt19937 random(s);
                for (std::uint64_t i = 0; i < total / sources + (s < total % sources ? 1 : 0); ++i)
                    in.put(synthetic(s, i, sizes, random));
                in.end_source(s);
            });
        }
        for (auto& c : cameras)
            c.join();
        in.wait_idle();
        in.close();
        for (auto& t : threads)
            t.join();
        store.close();
    }
    EXPECT_EQ(delivered + shed, total);
    EXPECT_GT(delivered, total * 9 / 10);
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_LE(on.pool().peak_bytes(), cap) << "the cap was passed";
    // Which sizes are in work at once is chance; what they may hold at most is not.
    EXPECT_LE(on.pool().peak_bytes(), max_bytes(sizes)) << "memory grew: after the warm-up it was " << after_warm_up;
    EXPECT_EQ(on.pool().used_bytes(), 0u) << "a lease or a slab is left";
}

}  // namespace
}  // namespace faceflow::internal
