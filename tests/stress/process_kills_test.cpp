// SPDX-License-Identifier: Apache-2.0
// Stage processes die at random, again and again, under load; afterwards every lease has come home. A hundred deaths a flow;
// FACEFLOW_KILLS sets another number.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "engine/engine.hpp"
#include "flow/option_table.hpp"
#include "stage_children.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

using test::stage_processes;

class process_kills : public testing::TestWithParam<std::string> {};

int wanted_kills() {
    const char* n = std::getenv("FACEFLOW_KILLS");
    return n != nullptr ? std::atoi(n) : 100;
}

TEST_P(process_kills, every_frame_has_a_result_or_a_reason_and_every_lease_comes_home) {
    // BlazeFace, whose weights are free: no file but those of the repository is needed. Random pictures have no faces, and
    // all stages but the landmarks' work; that one is killed as well. A process that has died starts again with its next
    // call, so every frame calls the detector.
    options chosen;
    chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
    chosen.device = "emulated";
    chosen.link = "none";
    chosen.detector = detector::blazeface;
    chosen.detect = detect_mode::always;
    chosen.threads = 2;
    chosen.stage_restarts = 1000000;
    chosen.stage_timeout = 30;
    chosen.tuning.cache_ttl = 0.05;  // a lease that is lost is soon not the frame cache's any more
    std::uint64_t results = 0, lost = 0, others = 0;
    std::string said;  // of the others
    std::map<std::uint32_t, std::int64_t> last;
    std::uint64_t out_of_order = 0;
    auto with = runtime_context::open(chosen);  // outlives the engine, to be looked at afterwards
    ASSERT_OK(with);
    capped_resource& pool = (*with)->devices.front()->pool();
    auto made = face_engine::create({chosen,
                                     [&](const host_frame& f, const result<frame_faces>& r) {
                                         auto& before = last.try_emplace(f.id.source, -1).first->second;
                                         if (static_cast<std::int64_t>(f.id.sequence) <= before) ++out_of_order;
                                         before = static_cast<std::int64_t>(f.id.sequence);
                                         r ? ++results : r.error().code == errc::lost ? ++lost : ++others;
                                         if (!r && r.error().code != errc::lost) said = r.error().message;
                                     },
                                     false,
                                     nullptr,
                                     {},
                                     *with});
    ASSERT_OK(made);
    face_engine& e = **made;
    constexpr std::uint32_t sources = 2;
    const int kills = wanted_kills();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(200);
    const std::size_t standing = pool.slots_in_use();  // what `shared` keeps for the places of frames in work
    std::atomic<bool> over{false};
    std::atomic<int> killed{0};
    std::thread killer([&] {
        std::mt19937 random(7);
        while (killed < kills && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(random() % 200));
            const auto all = stage_processes();
            if (all.empty()) continue;
            // Sometimes all of them at once, which are then all started at once.
            const bool each = random() % 3 == 0;
            const auto chosen_one = random() % all.size();
            for (std::size_t i = 0; i < all.size(); ++i) {
                if ((each || i == chosen_one) && !all[i].ended && ::kill(all[i].id, SIGKILL) == 0) ++killed;
            }
        }
        // The last processes work for a while: what those lose shows.
        std::this_thread::sleep_for(std::chrono::milliseconds(700));
        over = true;
    });
    std::vector<test::owned_picture> sizes;
    for (const auto& [w, h] : {std::pair{320, 240}, {640, 360}, {322, 182}})
        sizes.push_back(test::random_picture(pixel_format::i420, w, h, 5));
    std::vector<std::thread> cameras;
    std::array<std::uint64_t, sources> sent{};
    for (std::uint32_t s = 0; s < sources; ++s) {
        e.begin_source(s);
        cameras.emplace_back([&, s] {
            for (; !over; ++sent[s]) {
                host_frame f;
                f.id = {s, sent[s]};
                f.pts_ns = static_cast<std::int64_t>(sent[s]) * 1000;
                f.picture = sizes[(sent[s] / 40 + s) % sizes.size()].view;
                EXPECT_OK(e.submit(f));
            }
            e.end_source(s);
        });
    }
    for (auto& c : cameras)
        c.join();
    killer.join();
    e.drain();
    EXPECT_GE(killed, std::min(kills, 20)) << "too slow a machine to say much";
    EXPECT_EQ(results + lost + others, sent[0] + sent[1]);
    EXPECT_EQ(others, 0u) << said;
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_GT(results, 0u);
    // `shared` keeps a slot for the faces that each source is followed by.
    const std::size_t followed = GetParam() == "shared" ? sources : 0;
    EXPECT_EQ(pool.slots_in_use(), standing + followed) << "leases of this process did not come home";
    EXPECT_EQ(e.leases_elsewhere(), 0u) << "leases of a stage process did not come home";
    EXPECT_LE(pool.peak_bytes(), pool.limit_bytes());
    made->reset();
    EXPECT_EQ(pool.slots_in_use(), 0u);
    EXPECT_EQ(pool.used_bytes(), 0u) << "memory outlived the engine";
    EXPECT_TRUE(stage_processes().empty());
    RecordProperty("killed", killed);
}

INSTANTIATE_TEST_SUITE_P(flows, process_kills, testing::Values("copied", "cached", "shared"),
                         [](const auto& flow) { return flow.param; });

}  // namespace
}  // namespace faceflow::internal
